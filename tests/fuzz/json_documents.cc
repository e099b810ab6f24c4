#include <array>
#include <stdexcept>

#include "models/forms/json.h"
#include "models/placement/auction_json.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

// What was accepted is printed; that must be accepted too, and print the same.
template <typename Parse>
void print_again(std::string_view text, Parse parse) {
  const std::string printed = models::to_json(parse(text));
  const auto again = must_accept("what is printed is accepted", [&] { return parse(printed); });
  if (models::to_json(again) != printed) broken("what is printed reads as itself");
}

template <typename Message>
void document(std::string_view text) {
  const auto read = models::parse_json<Message>(text);
  const std::string printed = models::to_json_text(read);
  const auto again = must_accept("what is printed is accepted", [&] { return models::parse_json<Message>(printed); });
  if (models::to_json_text(again) != printed) broken("what is printed reads as itself");
}

constexpr std::array<Target, 12> kDocuments = {
    [](std::string_view text) { print_again(text, models::parse_lrp_start_requests); },
    [](std::string_view text) { print_again(text, models::parse_task_start_requests); },
    [](std::string_view text) { print_again(text, models::parse_cell_state); },
    [](std::string_view text) { print_again(text, models::parse_work); },
    [](std::string_view text) { print_again(text, models::parse_lrp_update); },
    [](std::string_view text) { print_again(text, models::parse_container_metrics); },
    document<models::CellPresence>,
    document<models::TaskCallbackResponse>,
    document<models::DesiredLRP>,
    document<models::DesiredLRPUpdate>,
    document<models::Task>,
    document<models::ActualLRP>,
};

}  // namespace

void json_documents(std::string_view bytes) {
  if (bytes.empty()) return;
  try {
    kDocuments[static_cast<unsigned char>(bytes.front()) % kDocuments.size()](bytes.substr(1));
  } catch (const models::JsonError& e) {
    if (std::string_view(e.what()).empty()) broken("an error has a text");
  } catch (const std::invalid_argument& e) {  // of from_json()
    if (std::string_view(e.what()).empty()) broken("an error has a text");
  }
}

}  // namespace rivera::fuzz
