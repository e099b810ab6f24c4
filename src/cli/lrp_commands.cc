// cfdot's commands about desired and actual LRPs.
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "cli/command.h"
#include "models/forms/json.h"

namespace rivera::cli {
namespace {

const Flag kDomain{"domain", 'd', FlagType::kText, "retrieve only entries for the given domain"};
const Flag kCell{"cell-id", 'c', FlagType::kText, "retrieve only entries for the given cell id"};
const Flag kProcess{"process-guid", 'p', FlagType::kText, "retrieve only entries for the given process guid"};
const Flag kIndex{"index", 'i', FlagType::kInteger32, "retrieve only entries for the given instance index"};

void check_filters(const Arguments& arguments) {
  check_count(arguments, 0);
  for (const Flag& flag : {kDomain, kCell, kProcess, kIndex}) check_one_spelling(arguments, flag);
  if (arguments.integer("index") < 0) throw UsageError("Index must be a non-negative integer");
}

void check_spec(const Arguments& arguments) {
  if (arguments.positional().size() != 1) throw UsageError("missing spec argument");
}

// Throws UsageError("Invalid JSON: ...").
template <typename Message>
Message parse_spec(const std::string& argument) {
  const std::string text = read_spec(argument);
  try {
    return models::parse_json<Message>(text);
  } catch (const std::invalid_argument& e) {
    throw UsageError(fmt::format("Invalid JSON: {}", e.what()));
  }
}

void check_create(const Arguments& arguments) {
  check_spec(arguments);
  parse_spec<models::DesiredLRP>(arguments.positional()[0]);
}

void check_update(const Arguments& arguments) {
  if (arguments.positional().size() != 2) throw UsageError("Missing arguments");
  if (arguments.positional()[0].empty()) throw UsageError("Process guid should be non empty string");
  parse_spec<models::DesiredLRPUpdate>(arguments.positional()[1]);
}

int parse_index(const std::string& text) {
  int index = -1;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (ec != std::errc() || end != text.data() + text.size() || index < 0) {
    throw UsageError("Index must be a non-negative integer");
  }
  return index;
}

void check_retire(const Arguments& arguments) {
  check_count(arguments, 2);
  if (arguments.positional()[0].empty()) throw UsageError("Process guid should be non empty string");
  parse_index(arguments.positional()[1]);
}

models::DesiredLRPsRequest desired_filter(const Arguments& arguments) {
  models::DesiredLRPsRequest filter;
  filter.set_domain(arguments.text("domain"));
  return filter;
}

asio::awaitable<void> actual_lrps(Context& c) {
  models::ActualLRPsRequest filter;
  filter.set_domain(c.arguments.text("domain"));
  filter.set_cell_id(c.arguments.text("cell-id"));
  filter.set_process_guid(c.arguments.text("process-guid"));
  if (c.arguments.given("index")) filter.set_index(static_cast<std::int32_t>(c.arguments.integer("index")));
  const auto lrps = co_await c.bbs->actual_lrps(std::move(filter));
  for (const models::ActualLRP& lrp : lrps) c.print(models::to_json_text(lrp));
}

asio::awaitable<void> desired_lrps(Context& c) {
  const auto lrps = co_await c.bbs->desired_lrps(desired_filter(c.arguments));
  for (const models::DesiredLRP& lrp : lrps) c.print(models::to_json_text(lrp));
}

asio::awaitable<void> desired_lrp(Context& c) {
  const models::DesiredLRP lrp = co_await c.bbs->desired_lrp(c.arguments.positional()[0]);
  c.print(models::to_json_text(lrp));
}

asio::awaitable<void> scheduling_infos(Context& c) {
  const auto infos = co_await c.bbs->desired_lrp_scheduling_infos(desired_filter(c.arguments));
  for (const models::DesiredLRPSchedulingInfo& info : infos) c.print(models::to_json_text(info));
}

asio::awaitable<void> create(Context& c) {
  auto lrp = parse_spec<models::DesiredLRP>(c.arguments.positional()[0]);
  co_await c.bbs->desire_lrp(std::move(lrp));
}

asio::awaitable<void> update(Context& c) {
  auto change = parse_spec<models::DesiredLRPUpdate>(c.arguments.positional()[1]);
  co_await c.bbs->update_desired_lrp(c.arguments.positional()[0], std::move(change));
}

asio::awaitable<void> remove(Context& c) { co_await c.bbs->remove_desired_lrp(c.arguments.positional()[0]); }

asio::awaitable<void> retire(Context& c) {
  const std::string& guid = c.arguments.positional()[0];
  const models::DesiredLRP lrp = co_await c.bbs->desired_lrp(guid);
  models::ActualLRPKey key;
  key.set_process_guid(guid);
  key.set_index(parse_index(c.arguments.positional()[1]));
  key.set_domain(lrp.domain());
  co_await c.bbs->retire_actual_lrp(std::move(key));
}

}  // namespace

std::vector<Command> lrp_commands() {
  return {
      {"actual-lrps", "List actual LRPs", Needs::kBbs, {kDomain, kCell, kProcess, kIndex}, check_filters, actual_lrps},
      {"desired-lrps", "List desired LRPs", Needs::kBbs, {kDomain}, check_filters, desired_lrps},
      {"desired-lrp PROCESS_GUID", "Show the specified desired LRP", Needs::kBbs, {}, check_process_guid, desired_lrp},
      {"desired-lrp-scheduling-infos",
       "List desired LRP scheduling infos",
       Needs::kBbs,
       {kDomain},
       check_filters,
       scheduling_infos},
      {"create-desired-lrp (SPEC|@FILE)", "Create a desired LRP", Needs::kBbs, {}, check_create, create},
      {"update-desired-lrp PROCESS_GUID (SPEC|@FILE)", "Update a desired LRP", Needs::kBbs, {}, check_update, update},
      {"delete-desired-lrp PROCESS_GUID", "Delete a desired LRP", Needs::kBbs, {}, check_process_guid, remove},
      {"retire-actual-lrp PROCESS_GUID INDEX",
       "Retire actual LRP by index and process guid",
       Needs::kBbs,
       {},
       check_retire,
       retire},
  };
}

}  // namespace rivera::cli
