#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "clients/garden/garden_types.h"
#include "garden/bundle/users.h"
#include "garden/firewall/address.h"
#include "garden/firewall/net_out_rules.h"
#include "garden/shim/protocol.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

namespace api = clients::garden;
namespace json = boost::json;
namespace shim = garden::shim;

// What was accepted is printed; that must be accepted too, and print the same.
template <typename Read>
void print_again(std::string_view text, Read read) {
  boost::system::error_code ec;
  const json::value body = json::parse(json::string_view(text.data(), text.size()), ec);
  if (ec) return;
  const json::value printed = api::to_json(read(body));
  const auto again = must_accept("what is printed is accepted", [&] { return read(printed); });
  if (api::to_json(again) != printed) broken("what is printed reads as itself");
}

// A rule becomes commands of the firewall.
void rules(std::string_view text) {
  boost::system::error_code ec;
  const json::value body = json::parse(json::string_view(text.data(), text.size()), ec);
  if (ec) return;
  const auto read = api::net_out_rules_from_json(body);
  garden::check_rules(read);
  for (const auto& rule : read) {
    const json::value printed = api::to_json(rule);
    const auto again = must_accept("a printed rule is accepted", [&] { return api::net_out_rule_from_json(printed); });
    if (api::to_json(again) != printed) broken("a rule reads as itself");
    const auto expressions =
        must_accept("checked rules have expressions", [&] { return garden::net_out_expressions(rule, "a\"; handle"); });
    for (const auto& expression : expressions) {
      const bool is_plain = std::ranges::all_of(expression, [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == ' ' || c == '.' || c == ',' || c == '-' ||
               c == '"';
      });
      const auto quotes = std::ranges::count(expression, '"');
      if (!is_plain || (quotes != 0 && quotes != 2)) broken("a rule cannot end its expression: " + expression);
    }
  }
}

void error(std::string_view text) {
  boost::system::error_code ec;
  const json::value body = json::parse(json::string_view(text.data(), text.size()), ec);
  if (!ec) api::throw_error_json(body);
}

void lease(std::string_view text) {
  const auto read = garden::parse_cidr(std::string(text));
  if (!read.subnet.contains(read.address)) broken("an address is in its subnet");
  const auto again = must_accept("a subnet is read", [&] { return garden::Subnet::parse(read.subnet.text()); });
  if (again != read.subnet) broken("a subnet reads as itself");
}

// "user\npasswd": the user that a process asks for, and a file of the container.
void user(std::string_view text) {
  const auto end = std::min(text.find('\n'), text.size());
  const std::string_view name = text.substr(0, end), file = text.substr(std::min(end + 1, text.size()));
  const auto resolved = garden::resolve_user(name, file, file);
  if (resolved.home.empty() || resolved.home.size() > file.size() + 1) broken("a user has a home");
  if (name.find(':') != std::string_view::npos && !name.ends_with(':') && !resolved.additional_gids.empty()) {
    broken("a named group is the only one");
  }
  if (!garden::resolve_pea_user(name, file).additional_gids.empty()) broken("a pea has one group");
}

std::string frames_of(std::string_view bytes, std::size_t piece) {
  shim::FrameParser parser;
  std::string seen;
  try {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
      parser.feed(bytes.substr(0, piece));
      while (const auto frame = parser.next()) seen += shim::encode_frame(frame->type, frame->payload);
    }
  } catch (const std::runtime_error&) {
    seen += "refused";
  }
  return seen;
}

void frames(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::size_t piece = static_cast<unsigned char>(bytes.front()) % 64 + 1;
  bytes.remove_prefix(1);
  const std::string whole = frames_of(bytes, bytes.size() + 1);
  if (frames_of(bytes, piece) != whole) broken("pieces make no difference");
  if (!whole.ends_with("refused") && !bytes.starts_with(whole)) broken("frames are what was sent");
}

// What is decoded is encoded to the same bytes, as far as it was read.
template <typename Payload>
void payload(std::string_view bytes) {
  const auto read = Payload::decode(bytes);
  const std::string again = read.encode();
  if (again.size() > bytes.size()) broken("a payload comes out of its bytes");
  const auto same = must_accept("a payload is read", [&] { return Payload::decode(again); });
  if (same.encode() != again) broken("a payload reads as itself");
}

constexpr std::array<Target, 15> kMessages = {
    [](std::string_view text) { print_again(text, api::container_spec_from_json); },
    [](std::string_view text) { print_again(text, api::process_spec_from_json); },
    [](std::string_view text) { print_again(text, api::net_out_rule_from_json); },
    [](std::string_view text) { print_again(text, api::tty_spec_from_json); },
    [](std::string_view text) { print_again(text, api::properties_from_json); },
    [](std::string_view text) { print_again(text, api::capacity_from_json); },
    [](std::string_view text) { print_again(text, api::container_info_from_json); },
    [](std::string_view text) { print_again(text, api::container_metrics_from_json); },
    rules,
    error,
    lease,
    user,
    frames,
    payload<shim::LaunchRequest>,
    payload<shim::StatusReply>,
};

}  // namespace

void garden_messages(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::size_t kind = static_cast<unsigned char>(bytes.front()) % kMessages.size();
  const bool is_payload = kind >= kMessages.size() - 2;
  try {
    kMessages[kind](bytes.substr(1));
  } catch (const api::GardenError&) {
    return;  // the text of an error that was read may be empty
  } catch (const std::runtime_error&) {
    if (!is_payload) throw;
  }
}

}  // namespace rivera::fuzz
