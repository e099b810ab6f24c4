// The rep's two HTTP APIs (docs/spec/cell.md §1.6, §1.7).
#pragma once

#include <functional>
#include <string>

#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/task_group.h"
#include "executor/executor.h"
#include "models/nouns/role.h"
#include "models/placement/auction_json.h"
#include "net/http/http_router.h"
#include "rep/operations/container_operations.h"
#include "rep/reports/cell_report.h"
#include "rep/settings/config.h"

namespace rivera::rep {

// The network API. Requests only read, reserve and signal: none waits for a container or the BBS.
//
// Lives on the rep's strand. Must outlive the routes that it adds.
class CellService {
 public:
  struct Parts {
    executor::Executor& executor;
    const EvacuationState& evacuation;
    base::TaskGroup& background;  // work that continues after the response
    base::Metrics& metrics;
    std::function<models::ContainerMetricsCollection()> container_metrics;
    std::function<bool()> is_healthy;
  };
  CellService(const Config& config, Parts parts, base::Logger logger);

  void add_routes(net::HttpRouter& router);

 private:
  using Handler = net::HttpResponse (CellService::*)(const net::HttpRequest&, const net::PathParameters&);
  struct NetworkRoute {
    const char* method = "";
    const char* path = "";
    models::RoleSet callers;  // others get 403
    const char* type = "";    // in metrics
    Handler handle = nullptr;
  };
  void add(net::HttpRouter& router, const NetworkRoute& route);
  asio::awaitable<net::HttpResponse> answer(net::HttpRequest request, net::PathParameters parameters, std::string type,
                                            Handler handler);

  net::HttpResponse state(const net::HttpRequest&, const net::PathParameters&);
  net::HttpResponse container_metrics(const net::HttpRequest&, const net::PathParameters&);
  net::HttpResponse work(const net::HttpRequest& request, const net::PathParameters&);
  net::HttpResponse stop_lrp(const net::HttpRequest&, const net::PathParameters& parameters);
  net::HttpResponse update_lrp(const net::HttpRequest& request, const net::PathParameters& parameters);
  net::HttpResponse cancel_task(const net::HttpRequest&, const net::PathParameters& parameters);
  net::HttpResponse reset(const net::HttpRequest&, const net::PathParameters&);
  asio::awaitable<void> cancel(std::string task_guid);

  const Config& config_;
  Parts parts_;
  base::Logger logger_;
};

// The admin API: GET /ping for every caller, POST /evacuate for the cell itself and the operator.
void add_admin_routes(net::HttpRouter& router, std::function<void()> on_evacuate);

}  // namespace rivera::rep
