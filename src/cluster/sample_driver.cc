#include "cluster/sample_driver.h"

#include <functional>
#include <set>

#include <fmt/format.h>

#include "base/ids.h"
#include "base/work/wait.h"
#include "clients/bbs_client.h"
#include "cluster/prepare/preflight.h"
#include "cluster/prepare/sample.h"
#include "cluster/settings/terminal.h"
#include "cluster/status.h"
#include "models/errors.h"

namespace rivera::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kPatience{120};

class SampleDriver {
 public:
  SampleDriver(asio::any_io_executor executor, Settings settings)
      : settings_(std::move(settings)), bbs_(executor, bbs_client_options(settings_)), http_(executor) {}

  asio::awaitable<void> run() {
    co_await wait_for_cell();
    co_await desire();
    co_await wait_until_running();
    co_await wait_until_routed();
    co_await run_task();
  }

 private:
  asio::awaitable<void> wait_for_cell();
  asio::awaitable<void> desire();
  asio::awaitable<void> wait_until_running();
  asio::awaitable<void> wait_until_routed();
  asio::awaitable<void> run_task();

  asio::awaitable<std::optional<models::DesiredLRP>> existing();
  asio::awaitable<void> remove_old_definition();
  asio::awaitable<void> delete_finished_tasks();
  asio::awaitable<models::Task> wait_for_task(std::string guid);
  asio::awaitable<std::string> get_through_router();

  Settings settings_;
  clients::BbsClient bbs_;
  net::HttpClient http_;
  Progress progress_;
  int instances_ = kSampleInstances;  // as desired: the user may have scaled it
};

asio::awaitable<void> SampleDriver::wait_for_cell() {
  progress_.begin("cell");
  const auto deadline = Clock::now() + kPatience;
  for (;;) {
    const auto cells = co_await bbs_.cells();
    if (!cells.empty()) {
      const auto& capacity = cells[0].capacity();
      progress_.done(fmt::format("{} present, {} MB memory, {} MB disk, {} containers", cells[0].cell_id(),
                                 capacity.memory_mb(), capacity.disk_mb(), capacity.containers()));
      co_return;
    }
    if (Clock::now() > deadline) throw Problem("no cell has registered: see ./run logs rep");
    co_await base::sleep_for(milliseconds(100));
  }
}

asio::awaitable<std::optional<models::DesiredLRP>> SampleDriver::existing() {
  models::DesiredLRPsRequest filter;
  filter.set_domain(kSampleDomain);
  filter.add_process_guids(kSampleProcess);
  auto found = co_await bbs_.desired_lrps(std::move(filter));
  if (found.empty()) co_return std::nullopt;
  co_return std::move(found.front());
}

asio::awaitable<void> SampleDriver::remove_old_definition() {
  co_await bbs_.remove_desired_lrp(kSampleProcess);
  const auto deadline = Clock::now() + kPatience;
  while (Clock::now() < deadline) {
    models::ActualLRPsRequest filter;
    filter.set_process_guid(kSampleProcess);
    const auto left = co_await bbs_.actual_lrps(std::move(filter));
    if (left.empty()) co_return;
    co_await base::sleep_for(milliseconds(100));
  }
}

asio::awaitable<void> SampleDriver::desire() {
  progress_.begin("application");
  const std::string domain = kSampleDomain;
  co_await bbs_.upsert_domain(domain, seconds(0));
  const models::DesiredLRP wanted = sample_lrp(settings_);
  const auto there = co_await existing();
  if (there && there->annotation() == wanted.annotation()) {
    instances_ = there->instances();
    progress_.done(fmt::format("\"{}\" is desired already, with {} instances", kSampleProcess, instances_));
    co_return;
  }
  if (there) co_await remove_old_definition();
  co_await bbs_.desire_lrp(wanted);
  progress_.done(fmt::format("\"{}\" desired with {} instances", kSampleProcess, instances_));
}

asio::awaitable<void> SampleDriver::wait_until_running() {
  progress_.begin("instances");
  const auto deadline = Clock::now() + kPatience;
  for (;;) {
    models::ActualLRPsRequest filter;
    filter.set_process_guid(kSampleProcess);
    const auto instances = co_await bbs_.actual_lrps(std::move(filter));
    int running = 0;
    std::string problem;
    for (const models::ActualLRP& instance : instances) {
      if (instance.state() == "RUNNING") ++running;
      if (!instance.placement_error().empty()) problem = instance.placement_error();
      if (!instance.crash_reason().empty()) problem = instance.crash_reason();
    }
    if (running >= instances_) break;
    if (Clock::now() > deadline) {
      throw Problem(fmt::format("{} of {} instances run; {}\nSee ./run logs {} and ./run logs rep", running, instances_,
                                problem.empty() ? "no reason is known" : problem, kSampleProcess));
    }
    progress_.say(fmt::format("{} of {} running {}", running, instances_, problem));
    co_await base::sleep_for(milliseconds(50));
  }
  progress_.done(fmt::format("{0} of {0} running", instances_));
}

asio::awaitable<std::string> SampleDriver::get_through_router() {
  net::HttpRequest request;
  request.method = "GET";
  request.target = "/";
  request.headers.set("Host", fmt::format("{}:{}", settings_.app_hostname(kSampleProcess), settings_.ports.router()));
  const auto endpoint = net::Endpoint::parse(settings_.router_url());
  const net::HttpResponse response = co_await http_.send(endpoint, std::move(request), seconds(5));
  co_return response.status == 200 ? response.body : fmt::format("status {}", response.status);
}

asio::awaitable<void> SampleDriver::wait_until_routed() {
  progress_.begin("routes");
  const auto deadline = Clock::now() + kPatience;
  std::set<std::string> answers;  // one for each instance: the page names it
  std::string last;
  while (static_cast<int>(answers.size()) < instances_) {
    if (Clock::now() > deadline) {
      throw Problem(
          fmt::format("only {} of {} instances answer through the router (last answer: {})\n"
                      "See ./run logs gorouter and ./run logs route-emitter",
                      answers.size(), instances_, last));
    }
    try {
      last = co_await get_through_router();
    } catch (const std::exception& e) {
      last = e.what();
    }
    if (last.starts_with("Hello from instance")) {
      answers.insert(last.substr(0, last.find('\n')));
      continue;
    }
    co_await base::sleep_for(milliseconds(50));
  }
  progress_.done(fmt::format("all {} instances answer at {}", instances_,
                             settings_.app_url(settings_.app_hostname(kSampleProcess))));
}

asio::awaitable<void> SampleDriver::delete_finished_tasks() {
  models::TasksRequest filter;
  filter.set_domain(kSampleDomain);
  const auto tasks = co_await bbs_.tasks(std::move(filter));
  for (const models::Task& task : tasks) {
    if (!task.task_guid().starts_with(kSampleTaskPrefix) || task.state() != models::Task::Completed) continue;
    co_await bbs_.resolving_task(task.task_guid());
    co_await bbs_.delete_task(task.task_guid());
  }
}

asio::awaitable<models::Task> SampleDriver::wait_for_task(std::string guid) {
  const auto deadline = Clock::now() + kPatience;
  for (;;) {
    models::Task task = co_await bbs_.task(guid);
    if (task.state() == models::Task::Completed || task.state() == models::Task::Resolving) co_return task;
    if (Clock::now() > deadline) throw Problem("the sample task does not end: see ./run logs rep");
    co_await base::sleep_for(milliseconds(50));
  }
}

asio::awaitable<void> SampleDriver::run_task() {
  progress_.begin("task");
  co_await delete_finished_tasks();
  const std::string guid = kSampleTaskPrefix + base::new_guid().substr(0, 8);
  const std::string domain = kSampleDomain;
  co_await bbs_.desire_task(guid, domain, sample_task(settings_));
  const models::Task task = co_await wait_for_task(guid);
  if (task.failed()) throw Problem("the sample task failed: " + task.failure_reason());
  std::string result = task.result();
  while (!result.empty() && result.back() == '\n') result.pop_back();
  progress_.done(fmt::format("{} completed; its result: {}", guid, result));
}

}  // namespace

asio::awaitable<void> bring_up_sample(Settings settings) {
  const auto executor = co_await asio::this_coro::executor;
  SampleDriver driver(executor, std::move(settings));
  try {
    co_await driver.run();
  } catch (const models::ModelError& e) {
    throw Problem(std::string("the BBS refused: ") + e.what());
  }
}

}  // namespace rivera::cluster
