// cfdot's commands that follow the BBS's events.
#include <functional>
#include <map>

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include "base/work/wait.h"
#include "cli/command.h"
#include "models/forms/json.h"

namespace rivera::cli {
namespace {

using clients::BbsEvent;
using clients::BbsEventStream;

const Flag kCell{"cell-id", 'c', FlagType::kText, "retrieve only events for the given cell id"};
const Flag kExclude{"exclude-actual-lrp-groups", 'x', FlagType::kBoolean,
                    "exclude actual LRP group events (deprecated ones)"};

void check_lrp_events(const Arguments& arguments) {
  check_count(arguments, 0);
  check_one_spelling(arguments, kCell);
  check_one_spelling(arguments, kExclude);
}

template <typename Message>
std::string as_json(const BbsEvent& event) {
  return models::to_json_text(event.as<Message>());
}

// The message of each event (docs/spec/bbs.md §3.2).
const std::map<std::string, std::string (*)(const BbsEvent&), std::less<>>& printers() {
  static const std::map<std::string, std::string (*)(const BbsEvent&), std::less<>> all{
      {"desired_lrp_created", as_json<models::DesiredLRPCreatedEvent>},
      {"desired_lrp_changed", as_json<models::DesiredLRPChangedEvent>},
      {"desired_lrp_removed", as_json<models::DesiredLRPRemovedEvent>},
      {"actual_lrp_created", as_json<models::ActualLRPCreatedEvent>},
      {"actual_lrp_changed", as_json<models::ActualLRPChangedEvent>},
      {"actual_lrp_removed", as_json<models::ActualLRPRemovedEvent>},
      {"actual_lrp_crashed", as_json<models::ActualLRPCrashedEvent>},
      {"actual_lrp_instance_created", as_json<models::ActualLRPInstanceCreatedEvent>},
      {"actual_lrp_instance_changed", as_json<models::ActualLRPInstanceChangedEvent>},
      {"actual_lrp_instance_removed", as_json<models::ActualLRPInstanceRemovedEvent>},
      {"task_created", as_json<models::TaskCreatedEvent>},
      {"task_changed", as_json<models::TaskChangedEvent>},
      {"task_removed", as_json<models::TaskRemovedEvent>},
  };
  return all;
}

bool is_group_event(const std::string& name) {
  return name == "actual_lrp_created" || name == "actual_lrp_changed" || name == "actual_lrp_removed";
}

void print_event(const Context& c, const BbsEvent& event) {
  const auto printer = printers().find(event.name);
  if (printer == printers().end()) return;  // newer than this cfdot
  c.print(fmt::format(R"({{"type":"{}","data":{}}})", event.name, printer->second(event)));
}

enum class Show { kAll, kGroupEventsOnly };

asio::awaitable<void> follow(Context& c, std::unique_ptr<BbsEventStream> stream, Show show) {
  for (;;) {
    const std::optional<BbsEvent> event = co_await stream->next();
    if (!event) co_return;
    if (show == Show::kAll || is_group_event(event->name)) print_event(c, *event);
  }
}

// The old stream beside the new one: each has its own end and its own failure.
struct Companion {
  explicit Companion(asio::any_io_executor executor) : ended_changed(executor) {}
  bool ended = false;
  std::exception_ptr failure;
  base::Condition ended_changed;
};

asio::awaitable<void> lrp_events(Context& c) {
  const std::string cell = c.arguments.text("cell-id");
  if (c.arguments.boolean("exclude-actual-lrp-groups")) {
    auto only = co_await c.bbs->subscribe_to_instance_events(cell);
    co_await follow(c, std::move(only), Show::kAll);
    co_return;
  }
  fmt::print(
      stderr,
      "Event types \"actual_lrp_created\", \"actual_lrp_changed\" and \"actual_lrp_removed\" are deprecated. Use "
      "\"--exclude-actual-lrp-groups\" flag to exclude them.\n");
  auto groups = co_await c.bbs->subscribe_to_group_events(cell);
  auto instances = co_await c.bbs->subscribe_to_instance_events(cell);
  Companion companion(c.executor);
  asio::co_spawn(c.executor, follow(c, std::move(groups), Show::kGroupEventsOnly), [&companion](std::exception_ptr e) {
    companion.ended = true;
    companion.failure = e;
    companion.ended_changed.notify_all();
  });
  std::exception_ptr failure;
  try {
    co_await follow(c, std::move(instances), Show::kAll);
  } catch (...) {
    failure = std::current_exception();
  }
  while (!companion.ended) co_await companion.ended_changed.wait();
  if (failure) std::rethrow_exception(failure);
  if (companion.failure) std::rethrow_exception(companion.failure);
}

asio::awaitable<void> task_events(Context& c) {
  auto stream = co_await c.bbs->subscribe_to_task_events();
  co_await follow(c, std::move(stream), Show::kAll);
}

}  // namespace

std::vector<Command> event_commands() {
  return {
      {"lrp-events", "Subscribe to BBS LRP events", Needs::kBbsStream, {kCell, kExclude}, check_lrp_events, lrp_events},
      {"task-events", "Subscribe to BBS Task events", Needs::kBbsStream, {}, nullptr, task_events},
  };
}

}  // namespace rivera::cli
