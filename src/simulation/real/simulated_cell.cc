#include "simulation/real/simulated_cell.h"

#include <algorithm>

#include "base/ids.h"
#include "base/work/cancellation.h"

namespace rivera::simulation {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kInstanceGuidLength = 28;

models::CellState empty_state(const SimulatedCellOptions& options) {
  models::CellState state;
  state.cell_id = options.cell_id;
  state.cell_index = options.cell_index;
  state.zone = options.zone;
  state.total = state.available = options.total;
  state.root_fs_providers = models::root_fs_providers({{"linux", "/linux"}}, {"docker"});
  return state;
}

net::HttpServerOptions server_options(const net::TlsContext& tls) {
  net::HttpServerOptions options;
  options.address = "127.0.0.1:0";
  options.tls = tls;
  options.limits.idle = std::chrono::minutes(30);
  return options;
}

float seconds_since(Clock::time_point began) { return std::chrono::duration<float>(Clock::now() - began).count(); }

models::ActualLRPKey key_of(const models::CellLRP& lrp) {
  models::ActualLRPKey key;
  key.set_process_guid(lrp.process_guid);
  key.set_index(lrp.index);
  key.set_domain(lrp.domain);
  return key;
}

bool fits(const models::CellResources& free, const models::ContainerResource& wanted) {
  return free.memory_mb >= wanted.memory_mb && free.disk_mb >= wanted.disk_mb && free.containers >= 1;
}

void take(models::CellResources& free, const models::ContainerResource& wanted, int sign) {
  free.memory_mb -= sign * wanted.memory_mb;
  free.disk_mb -= sign * wanted.disk_mb;
  free.containers -= sign;
}

constexpr const char* kNoRoom = "insufficient resources: memory, disk or containers";

}  // namespace

SimulatedCell::SimulatedCell(asio::any_io_executor executor, SimulatedCellOptions options,
                             clients::BbsClientOptions bbs, FleetStatistics& statistics, base::Logger logger)
    : options_(std::move(options)),
      statistics_(statistics),
      state_(empty_state(options_)),
      bbs_(executor, std::move(bbs)),
      server_(executor, server_options(options_.tls), router_.handler(), logger),
      operations_changed_(executor),
      coroutines_(executor, logger) {
  add_routes();
}

void SimulatedCell::listen() {
  server_.listen();
  server_.start();
  state_.rep_url = "https://" + server_.address();
  coroutines_.spawn_critical("operations", work_off());
}

models::CellPresence SimulatedCell::presence() const {
  models::CellPresence presence;
  presence.set_cell_id(options_.cell_id);
  presence.set_rep_address("http://" + server_.address());
  presence.set_rep_url(state_.rep_url);
  presence.set_zone(options_.zone);
  presence.mutable_capacity()->set_memory_mb(options_.total.memory_mb);
  presence.mutable_capacity()->set_disk_mb(options_.total.disk_mb);
  presence.mutable_capacity()->set_containers(static_cast<std::int32_t>(options_.total.containers));
  auto& provider = *presence.add_rootfs_providers();
  provider.set_name("preloaded");
  provider.add_properties("linux");
  return presence;
}

asio::awaitable<void> SimulatedCell::introduce() {
  models::ActualLRPsRequest mine;
  mine.set_cell_id(options_.cell_id);
  co_await bbs_.actual_lrps(std::move(mine));
}

asio::awaitable<void> SimulatedCell::stop() {
  co_await coroutines_.stop();
  co_await server_.stop(std::chrono::seconds(0));
}

void SimulatedCell::add_routes() {
  const auto accepted = [](net::HttpRequest, const net::PathParameters&) -> asio::awaitable<net::HttpResponse> {
    net::HttpResponse response = net::text_response(202, "");
    co_return response;
  };
  router_.add_simple("GET", "/state", [this](net::HttpRequest, const net::PathParameters&) { return get_state(); });
  router_.add_simple("POST", "/work", [this](net::HttpRequest request, const net::PathParameters&) {
    return post_work(std::move(request.body));
  });
  router_.add_simple("POST", "/v1/lrps/:process_guid/instances/:instance_guid/stop",
                     [this](net::HttpRequest, const net::PathParameters& parameters) {
                       return stop_instance(parameters.at("instance_guid"));
                     });
  router_.add_simple("PUT", "/v1/lrps/:process_guid/instances/:instance_guid", accepted);
  router_.add_simple("PUT", "/v2/lrps/:process_guid/instances/:instance_guid", accepted);
  router_.add_simple("POST", "/v1/tasks/:task_guid/cancel", accepted);
}

asio::awaitable<net::HttpResponse> SimulatedCell::get_state() {
  ++statistics_.state_requests;
  models::CellState state = state_;
  for (const auto& [guid, lrp] : lrps_) {
    state.lrps.push_back(lrp);
    if (lrp.state == "CLAIMED") ++state.starting_container_count;
  }
  for (const auto& [guid, task] : tasks_) state.tasks.push_back(task);
  net::HttpResponse response = net::text_response(200, models::to_json(state) + "\n");
  co_return response;
}

asio::awaitable<net::HttpResponse> SimulatedCell::post_work(std::string body) {
  const auto now = Clock::now();
  if (statistics_.work_requests++ == 0) statistics_.first_work = now;
  statistics_.last_work = now;
  models::Work refused;
  int status = 200;
  try {
    models::Work work = models::parse_work(body);
    if (!work.cell_id.empty() && work.cell_id != options_.cell_id) status = 500;
    std::stable_sort(work.lrps.begin(), work.lrps.end(), [](const models::CellLRP& a, const models::CellLRP& b) {
      return a.resource.memory_mb > b.resource.memory_mb;
    });
    if (status == 200) {
      for (const auto& lrp : work.lrps) take_lrp(lrp, refused);
      for (const auto& task : work.tasks) take_task(task, refused);
    }
  } catch (const models::JsonError&) {
    status = 400;
  }
  net::HttpResponse response = net::text_response(status, status == 200 ? models::to_json(refused) + "\n" : "");
  co_return response;
}

void SimulatedCell::take_lrp(const models::CellLRP& lrp, models::Work& refused) {
  if (!fits(state_.available, lrp.resource)) {
    ++statistics_.rejected;
    refused.rejection_reasons[lrp.identifier()] = kNoRoom;
    refused.lrps.push_back(lrp);
    return;
  }
  ++statistics_.accepted;
  take(state_.available, lrp.resource, 1);
  const std::string guid = base::new_guid().substr(0, kInstanceGuidLength);
  models::CellLRP& held = lrps_[guid] = lrp;
  held.instance_guid = guid;
  held.state = "CLAIMED";
  enqueue({Operation::Kind::kClaim, guid, {}});
}

void SimulatedCell::take_task(const models::CellTask& task, models::Work& refused) {
  if (!fits(state_.available, task.resource) || tasks_.contains(task.task_guid)) {
    ++statistics_.rejected;
    refused.rejection_reasons[task.task_guid] = kNoRoom;
    refused.tasks.push_back(task);
    return;
  }
  ++statistics_.accepted;
  take(state_.available, task.resource, 1);
  models::CellTask& held = tasks_[task.task_guid] = task;
  held.state = models::CellTaskState::kRunning;
  enqueue({Operation::Kind::kRunTask, task.task_guid, {}});
}

asio::awaitable<net::HttpResponse> SimulatedCell::stop_instance(std::string instance_guid) {
  const auto found = lrps_.find(instance_guid);
  if (found != lrps_.end()) {
    enqueue({Operation::Kind::kRemove, instance_guid, found->second});
    forget(instance_guid);
  }
  net::HttpResponse response = net::text_response(202, "");
  co_return response;
}

void SimulatedCell::enqueue(Operation operation) {
  operations_.push_back(std::move(operation));
  operations_changed_.notify_all();
}

asio::awaitable<void> SimulatedCell::work_off() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (;;) {
    while (operations_.empty()) co_await operations_changed_.wait();
    const Operation operation = std::move(operations_.front());
    operations_.pop_front();
    std::string failure;
    try {
      co_await perform(operation);
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      failure = e.what();
    }
    if (!failure.empty()) give_up(operation.guid, failure);
  }
}

asio::awaitable<void> SimulatedCell::perform(const Operation& operation) {
  if (operation.kind == Operation::Kind::kRemove) {
    models::ActualLRPInstanceKey instance;
    instance.set_instance_guid(operation.guid);
    instance.set_cell_id(options_.cell_id);
    co_await bbs_.remove_actual_lrp(key_of(operation.lrp), std::move(instance));
    co_return;
  }
  if (operation.kind == Operation::Kind::kRunTask) co_return co_await run_task(operation.guid);
  const auto found = lrps_.find(operation.guid);
  if (found == lrps_.end()) co_return;  // stopped in the meantime
  const models::CellLRP lrp = found->second;
  if (operation.kind == Operation::Kind::kClaim) {
    co_await claim(lrp);
  } else {
    co_await start(lrp);
  }
}

asio::awaitable<void> SimulatedCell::claim(const models::CellLRP& lrp) {
  models::ActualLRPInstanceKey instance;
  instance.set_instance_guid(lrp.instance_guid);
  instance.set_cell_id(options_.cell_id);
  const auto began = Clock::now();
  co_await bbs_.claim_actual_lrp(key_of(lrp), std::move(instance));
  statistics_.claim_seconds.push_back(seconds_since(began));
  ++statistics_.claimed;
  statistics_.last_claim = Clock::now();
  if (options_.start_time.count() > 0) {
    coroutines_.spawn("start", start_later(lrp.instance_guid));
  } else {
    enqueue({Operation::Kind::kStart, lrp.instance_guid, {}});
  }
}

asio::awaitable<void> SimulatedCell::start_later(std::string instance_guid) {
  co_await base::sleep_for(options_.start_time);
  enqueue({Operation::Kind::kStart, std::move(instance_guid), {}});
}

asio::awaitable<void> SimulatedCell::start(const models::CellLRP& lrp) {
  models::StartActualLRPRequest request;
  *request.mutable_actual_lrp_key() = key_of(lrp);
  request.mutable_actual_lrp_instance_key()->set_instance_guid(lrp.instance_guid);
  request.mutable_actual_lrp_instance_key()->set_cell_id(options_.cell_id);
  auto& net_info = *request.mutable_actual_lrp_net_info();
  net_info.set_address("127.0.0.1");
  net_info.set_instance_address("10.255.0.2");
  auto& port = *net_info.add_ports();
  port.set_container_port(8080);
  port.set_host_port(61000);
  request.set_routable(true);
  request.set_availability_zone(options_.zone);
  const auto began = Clock::now();
  co_await bbs_.start_actual_lrp(std::move(request));
  statistics_.start_seconds.push_back(seconds_since(began));
  ++statistics_.started;
  statistics_.last_start = Clock::now();
  const auto found = lrps_.find(lrp.instance_guid);
  if (found != lrps_.end()) found->second.state = "RUNNING";
}

asio::awaitable<void> SimulatedCell::run_task(const std::string& guid) {
  const bool shall_run = co_await bbs_.start_task(guid, options_.cell_id);
  if (shall_run) {
    models::CompleteTaskRequest done;
    done.set_task_guid(guid);
    done.set_cell_id(options_.cell_id);
    co_await bbs_.complete_task(std::move(done));
  }
  forget(guid);
}

void SimulatedCell::forget(const std::string& guid) {
  if (const auto lrp = lrps_.find(guid); lrp != lrps_.end()) {
    take(state_.available, lrp->second.resource, -1);
    lrps_.erase(lrp);
  }
  if (const auto task = tasks_.find(guid); task != tasks_.end()) {
    take(state_.available, task->second.resource, -1);
    tasks_.erase(task);
  }
}

void SimulatedCell::give_up(const std::string& guid, const std::string& why) {
  ++statistics_.given_up;
  statistics_.last_failure = why;
  forget(guid);
}

}  // namespace rivera::simulation
