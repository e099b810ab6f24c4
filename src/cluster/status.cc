#include "cluster/status.h"

#include <algorithm>
#include <map>

#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <fmt/format.h>

#include "cluster/prepare/certificates.h"
#include "cluster/prepare/component.h"
#include "cluster/settings/process_table.h"
#include "cluster/supervision/supervisor_client.h"
#include "models/nouns/task.h"

namespace rivera::cluster {
namespace {

namespace json = boost::json;

std::vector<ComponentStatus> stopped_components(const Settings& settings) {
  std::vector<ComponentStatus> out;
  for (const Component& c : components(settings)) out.push_back({.name = c.name, .address = c.address, .last_end = ""});
  return out;
}

// `failure`: of the attempt to ask the supervisor.
std::string why_no_answer(const Settings& settings, const std::string& failure) {
  const auto running = processes_of(settings);
  const auto supervisor = std::ranges::find_if(running, is_supervisor);
  if (supervisor != running.end()) {
    return fmt::format("the supervisor (pid {}) runs, but does not answer ({}): ./run starts the cluster again",
                       supervisor->pid, failure);
  }
  std::vector<std::string> names;
  for (const RunningProcess& process : running) {
    if (process.program() != "garden-shim") names.push_back(fmt::format("{} (pid {})", process.program(), process.pid));
  }
  if (names.empty()) return "the cluster does not run: start it with ./run";
  return fmt::format(
      "the supervisor has ended; these run without it: {}: ./run starts the cluster again, ./run down "
      "stops them",
      fmt::join(names, ", "));
}

asio::awaitable<void> add_components(ClusterStatus& status, const Settings& settings) {
  std::string problem;
  try {
    const auto executor = co_await asio::this_coro::executor;
    SupervisorClient supervisor(executor, settings);
    status.components = co_await supervisor.components();
    co_return;
  } catch (const std::exception& e) {
    problem = why_no_answer(settings, e.what());
  }
  status.components = stopped_components(settings);
  status.problem = problem;
}

asio::awaitable<void> add_cells(ClusterStatus& status, clients::BbsClient& bbs) {
  const auto cells = co_await bbs.cells();
  for (const models::CellPresence& cell : cells) {
    status.cells.push_back({.cell_id = cell.cell_id(),
                            .zone = cell.zone(),
                            .memory_mb = cell.capacity().memory_mb(),
                            .disk_mb = cell.capacity().disk_mb(),
                            .containers = cell.capacity().containers()});
  }
}

std::string problem_of(const models::ActualLRP& instance) {
  if (!instance.placement_error().empty()) return instance.placement_error();
  return instance.crash_reason();
}

asio::awaitable<void> add_applications(ClusterStatus& status, clients::BbsClient& bbs, const Settings& settings) {
  models::DesiredLRPsRequest every_desired;
  models::ActualLRPsRequest every_actual;
  const auto desired = co_await bbs.desired_lrps(std::move(every_desired));
  const auto actual = co_await bbs.actual_lrps(std::move(every_actual));
  std::map<std::string, ApplicationStatus> by_guid;
  for (const models::DesiredLRP& lrp : desired) {
    ApplicationStatus& app = by_guid[lrp.process_guid()];
    app.process_guid = lrp.process_guid();
    app.domain = lrp.domain();
    app.desired = lrp.instances();
    for (const std::string& name : route_hostnames(lrp)) app.urls.push_back(settings.app_url(name));
  }
  for (const models::ActualLRP& instance : actual) {
    const models::ActualLRPKey& key = instance.actual_lrp_key();
    ApplicationStatus& app = by_guid[key.process_guid()];
    app.process_guid = key.process_guid();
    app.domain = key.domain();
    if (instance.state() == "RUNNING") {
      ++app.running;
    } else if (app.problem.empty()) {
      app.problem = problem_of(instance);
    }
  }
  for (auto& [guid, app] : by_guid) status.applications.push_back(std::move(app));
}

asio::awaitable<void> add_tasks(ClusterStatus& status, clients::BbsClient& bbs) {
  models::TasksRequest every_task;
  const auto tasks = co_await bbs.tasks(std::move(every_task));
  for (const models::Task& task : tasks) {
    status.tasks.push_back({.task_guid = task.task_guid(),
                            .domain = task.domain(),
                            .state = models::state_name(task.state()),
                            .cell_id = task.cell_id(),
                            .failed = task.failed(),
                            .failure_reason = task.failure_reason(),
                            .result = task.result()});
  }
}

}  // namespace

clients::BbsClientOptions bbs_client_options(const Settings& settings) {
  clients::BbsClientOptions options;
  options.url = settings.bbs_url();
  options.tls = tls_files(settings, "client");
  options.request_timeout = std::chrono::seconds(10);
  return options;
}

asio::awaitable<ClusterStatus> fetch_status(Settings settings) {
  ClusterStatus status;
  co_await add_components(status, settings);
  if (!status.problem.empty()) co_return status;
  try {
    auto options = bbs_client_options(settings);
    options.attempts = 1;
    const auto executor = co_await asio::this_coro::executor;
    clients::BbsClient bbs(executor, options);
    co_await add_cells(status, bbs);
    co_await add_applications(status, bbs, settings);
    co_await add_tasks(status, bbs);
  } catch (const std::exception& e) {
    status.problem = std::string("the BBS does not answer: ") + e.what();
  }
  co_return status;
}

std::vector<std::string> route_hostnames(const models::DesiredLRP& lrp) {
  std::vector<std::string> out;
  const auto entry = lrp.routes().routes().find("cf-router");
  if (entry == lrp.routes().routes().end()) return out;
  try {
    const json::value routes = json::parse(entry->second);
    for (const json::value& route : routes.as_array()) {
      for (const json::value& name : route.at("hostnames").as_array()) out.push_back(json::value_to<std::string>(name));
    }
  } catch (const std::exception&) {
    out.clear();
  }
  return out;
}

}  // namespace rivera::cluster
