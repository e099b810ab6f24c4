// cfdot's commands about tasks and domains.
#include <cstdint>
#include <limits>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/duration.h"
#include "cli/command.h"
#include "models/forms/json.h"

namespace rivera::cli {
namespace {

const Flag kDomain{"domain", 'd', FlagType::kText, "retrieve only tasks for the given domain"};
const Flag kCell{"cell-id", 'c', FlagType::kText, "retrieve only tasks for the given cell id"};
const Flag kTtl{"ttl", 't', FlagType::kDuration, "ttl of domain"};

void check_filters(const Arguments& arguments) {
  check_count(arguments, 0);
  check_one_spelling(arguments, kDomain);
  check_one_spelling(arguments, kCell);
}

void check_task_guid(const Arguments& arguments) {
  check_count(arguments, 1);
  if (arguments.positional()[0].empty()) throw UsageError("Task guid should be non empty string");
}

models::Task parse_spec(const Arguments& arguments) {
  const std::string text = read_spec(arguments.positional()[0]);
  try {
    return models::parse_json<models::Task>(text);
  } catch (const std::invalid_argument& e) {
    throw UsageError(fmt::format("Invalid JSON: {}", e.what()));
  }
}

void check_create(const Arguments& arguments) {
  if (arguments.positional().size() != 1) throw UsageError("missing spec argument");
  parse_spec(arguments);
}

std::chrono::seconds ttl_of(const Arguments& arguments) {
  const std::string text = arguments.text("ttl");
  if (!text.empty() && base::parse_go_duration(text).count() < 0) throw UsageError("ttl is negative");
  const std::chrono::seconds ttl = arguments.seconds("ttl");
  if (ttl.count() > std::numeric_limits<std::uint32_t>::max()) throw UsageError("ttl is too long");
  return ttl;
}

void check_set_domain(const Arguments& arguments) {
  check_count(arguments, 1);
  if (arguments.positional()[0].empty()) throw UsageError("No domain given");
  ttl_of(arguments);
}

asio::awaitable<void> tasks(Context& c) {
  models::TasksRequest filter;
  filter.set_domain(c.arguments.text("domain"));
  filter.set_cell_id(c.arguments.text("cell-id"));
  const auto list = co_await c.bbs->tasks(std::move(filter));
  for (const models::Task& task : list) c.print(models::to_json_text(task));
}

asio::awaitable<void> task(Context& c) {
  const models::Task found = co_await c.bbs->task(c.arguments.positional()[0]);
  c.print(models::to_json_text(found));
}

asio::awaitable<void> create(Context& c) {
  const models::Task wanted = parse_spec(c.arguments);
  co_await c.bbs->desire_task(wanted.task_guid(), wanted.domain(), wanted.task_definition());
}

asio::awaitable<void> cancel(Context& c) { co_await c.bbs->cancel_task(c.arguments.positional()[0]); }

asio::awaitable<void> remove(Context& c) {
  const std::string& guid = c.arguments.positional()[0];
  co_await c.bbs->resolving_task(guid);
  co_await c.bbs->delete_task(guid);
}

asio::awaitable<void> domains(Context& c) {
  const auto list = co_await c.bbs->domains();
  for (const std::string& domain : list) c.print(boost::json::serialize(boost::json::string(domain)));
}

asio::awaitable<void> set_domain(Context& c) {
  co_await c.bbs->upsert_domain(c.arguments.positional()[0], ttl_of(c.arguments));
}

}  // namespace

std::vector<Command> task_commands() {
  return {
      {"tasks", "List tasks", Needs::kBbs, {kDomain, kCell}, check_filters, tasks},
      {"task TASK_GUID", "Display task", Needs::kBbs, {}, check_task_guid, task},
      {"create-task (SPEC|@FILE)", "Create a Task", Needs::kBbs, {}, check_create, create},
      {"cancel-task TASK_GUID", "Cancel task", Needs::kBbs, {}, check_task_guid, cancel},
      {"delete-task TASK_GUID", "Delete a Task", Needs::kBbs, {}, check_task_guid, remove},
      {"domains", "List domains", Needs::kBbs, {}, nullptr, domains},
      {"set-domain DOMAIN", "Set domain", Needs::kBbs, {kTtl}, check_set_domain, set_domain},
  };
}

}  // namespace rivera::cli
