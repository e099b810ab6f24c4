#include "rep/cell_service.h"

#include "base/ids.h"
#include "executor/container/errors.h"
#include "models/nouns/role.h"
#include "rep/operations/work_intake.h"

namespace rivera::rep {
namespace {

constexpr std::size_t kBodyLimit = 64u << 20;
// Of items in one offer: more than any cell runs, and few enough to be placed without delaying the cell's presence.
constexpr std::size_t kMostOffered = 20'000;

net::HttpResponse empty(int status) {
  net::HttpResponse response;
  response.status = status;
  return response;
}

net::HttpResponse json_line(int status, const std::string& text) { return net::json_response(status, text + "\n"); }

}  // namespace

CellService::CellService(const Config& config, Parts parts, base::Logger logger)
    : config_(config), parts_(std::move(parts)), logger_(std::move(logger)) {}

void CellService::add_routes(net::HttpRouter& router) {
  using models::Role;
  constexpr models::RoleSet kPlacement{Role::kAuctioneer};
  constexpr models::RoleSet kBbs{Role::kBbs};
  constexpr models::RoleSet kOperator{Role::kOperator};
  const char* const instance = "/v1/lrps/:process_guid/instances/:instance_guid";
  const char* const instance_v2 = "/v2/lrps/:process_guid/instances/:instance_guid";
  const char* const stop = "/v1/lrps/:process_guid/instances/:instance_guid/stop";
  const NetworkRoute table[] = {
      {"GET", "/state", kPlacement.with(kOperator), "State", &CellService::state},
      {"GET", "/container_metrics", kOperator, "ContainerMetrics", &CellService::container_metrics},
      {"POST", "/work", kPlacement, "Perform", &CellService::work},
      {"PUT", instance_v2, kBbs, "UpdateLRPInstance", &CellService::update_lrp},
      {"PUT", instance, kBbs, "UpdateLRPInstance", &CellService::update_lrp},
      {"POST", stop, kBbs, "StopLRPInstance", &CellService::stop_lrp},
      {"POST", "/v1/tasks/:task_guid/cancel", kBbs, "CancelTask", &CellService::cancel_task},
      {"POST", "/sim/reset", kOperator, "Reset", &CellService::reset},
  };
  for (const NetworkRoute& route : table) add(router, route);
}

void CellService::add(net::HttpRouter& router, const NetworkRoute& route) {
  net::HttpRouter::SimpleHandler handler = [this, type = route.type, handle = route.handle](
                                               net::HttpRequest request, const net::PathParameters& parameters) {
    return answer(std::move(request), parameters, type, handle);
  };
  router.add(route.method, route.path,
             net::for_callers(route.callers.bits(), route.path, net::simple(std::move(handler), kBodyLimit)));
}

asio::awaitable<net::HttpResponse> CellService::answer(net::HttpRequest request, net::PathParameters parameters,
                                                       std::string type, Handler handler) {
  const auto begun_at = std::chrono::steady_clock::now();
  const base::MetricLabels labels{{"request-type", type}};
  parts_.metrics.increment("RequestsStarted", 1, labels);
  net::HttpResponse response;
  try {
    response = (this->*handler)(request, parameters);
  } catch (const std::exception& e) {
    logger_.error("request-failed", {{"method", request.method}, {"request", request.path()}, {"error", e.what()}});
    response = empty(500);
  }
  const bool ok = response.status < 400;
  parts_.metrics.increment(ok ? "RequestsSucceeded" : "RequestsFailed", 1, labels);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun_at;
  parts_.metrics.observe_seconds("RequestLatency", took.count(), labels);
  co_return response;
}

net::HttpResponse CellService::state(const net::HttpRequest&, const net::PathParameters&) {
  CellStateBuilder builder(config_, parts_.executor.total(), parts_.executor.remaining(), parts_.evacuation.evacuating);
  parts_.executor.visit([&builder](const executor::Container& container) { builder.add(container); });
  return json_line(parts_.is_healthy() ? 200 : 503, models::to_json(builder.take()));
}

net::HttpResponse CellService::container_metrics(const net::HttpRequest&, const net::PathParameters&) {
  return json_line(200, models::to_json(parts_.container_metrics()));
}

net::HttpResponse CellService::work(const net::HttpRequest& request, const net::PathParameters&) {
  models::Work offered;
  try {
    offered = models::parse_work(request.body);
  } catch (const models::JsonError& e) {
    logger_.info("undecodable-work", {{"error", e.what()}});
    return empty(400);
  }
  if (offered.lrps.size() + offered.tasks.size() > kMostOffered) {
    logger_.info("too-much-work", {{"lrps", offered.lrps.size()}, {"tasks", offered.tasks.size()}});
    return empty(413);
  }
  if (!offered.cell_id.empty() && offered.cell_id != config_.cell_id) {
    throw std::runtime_error("workload cell ID does not match this cell");
  }
  const auto intake = accept_work(offered,
                                  {.remaining_memory_mb = parts_.executor.remaining().memory_mb,
                                   .proxy_memory_mb = proxy_memory_mb(config_),
                                   .evacuating = parts_.evacuation.evacuating,
                                   .stacks = config_.stacks},
                                  base::new_guid);
  std::vector<executor::AllocationRequest> requests;
  for (const auto& [lrp, allocation] : intake.lrps) requests.push_back(allocation);
  for (const auto& [task, allocation] : intake.tasks) requests.push_back(allocation);
  const auto failures = parts_.executor.allocate(std::move(requests));
  auto refused = intake.refused;
  refuse_failed(refused, intake, failures);
  return json_line(200, models::to_json(refused));
}

net::HttpResponse CellService::stop_lrp(const net::HttpRequest&, const net::PathParameters& parameters) {
  const auto& process = parameters.at("process_guid");
  const auto& instance = parameters.at("instance_guid");
  if (process.empty() || instance.empty()) return empty(400);
  parts_.executor.stop(instance);
  return empty(202);
}

net::HttpResponse CellService::update_lrp(const net::HttpRequest& request, const net::PathParameters& parameters) {
  const auto& process = parameters.at("process_guid");
  const auto& instance = parameters.at("instance_guid");
  if (process.empty() || instance.empty()) return empty(400);
  models::LRPUpdate update;
  try {
    update = models::parse_lrp_update(request.body);
  } catch (const models::JsonError& e) {
    logger_.info("undecodable-update", {{"error", e.what()}});
    return empty(400);
  }
  parts_.executor.update(instance, {.internal_routes = update.internal_routes, .metric_tags = update.metric_tags});
  return empty(202);
}

net::HttpResponse CellService::cancel_task(const net::HttpRequest&, const net::PathParameters& parameters) {
  parts_.background.spawn("cancel-task", cancel(parameters.at("task_guid")));
  return empty(202);
}

asio::awaitable<void> CellService::cancel(std::string task_guid) {
  try {
    co_await parts_.executor.destroy(task_guid);
  } catch (const executor::ExecutorError& e) {
    logger_.info("cancel-task", {{"task-guid", task_guid}, {"error", e.what()}});
  }
}

net::HttpResponse CellService::reset(const net::HttpRequest&, const net::PathParameters&) {
  throw std::runtime_error("not-a-simulation-rep");
}

void add_admin_routes(net::HttpRouter& router, std::function<void()> on_evacuate) {
  using models::Role;
  const auto add = [&router](const char* method, const char* path, models::RoleSet callers,
                             net::HttpRouter::SimpleHandler handler) {
    router.add(method, path, net::for_callers(callers.bits(), path, net::simple(std::move(handler))));
  };
  add("GET", "/ping", models::RoleSet::anyone(),
      [](net::HttpRequest, const net::PathParameters&) -> asio::awaitable<net::HttpResponse> { co_return empty(200); });
  // Scripts that drain a cell show its own certificate.
  add("POST", "/evacuate", {Role::kRep, Role::kOperator},
      [on_evacuate](net::HttpRequest, const net::PathParameters&) -> asio::awaitable<net::HttpResponse> {
        on_evacuate();
        co_return json_line(202, R"({"ping_path":"/ping"})");
      });
}

}  // namespace rivera::rep
