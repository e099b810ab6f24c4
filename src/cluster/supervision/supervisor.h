// The process that keeps the cluster's processes running.
#pragma once

#include <memory>
#include <vector>

#include "base/files.h"
#include "base/process/program.h"
#include "base/work/task_group.h"
#include "cluster/supervision/component_keeper.h"
#include "net/http/http_router.h"

namespace rivera::cluster {

// Starts every component in order, each when the one before is healthy (or has had its time), keeps them running, and
// stops them in reverse order at SIGTERM. Answers on a Unix socket of its own:
//
//   GET  /v1/components                 their status (component_status.h)
//   POST /v1/components/:name/restart   202
//   POST /v1/stop                       202; the process ends when all are stopped
class Supervisor {
 public:
  Supervisor(base::Program& program, Settings settings);
  ~Supervisor();

  // Returns when all is stopped. Throws std::runtime_error if another supervisor runs for the same directory.
  asio::awaitable<void> run();

 private:
  void add_routes();
  asio::awaitable<void> start_in_order();
  asio::awaitable<void> rotate_logs_regularly();
  asio::awaitable<void> stop_in_reverse();
  std::vector<ComponentStatus> statuses() const;

  base::Program& program_;
  Settings settings_;
  base::UniqueFd lock_;
  HealthChecker health_;
  std::vector<std::unique_ptr<ComponentKeeper>> keepers_;
  base::TaskGroup tasks_;
  net::HttpRouter router_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace rivera::cluster
