// The HTTP router (docs/spec/routing.md §3).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/task_group.h"
#include "base/work/worker_pool.h"
#include "gorouter/backends/backend_pool.h"
#include "gorouter/backends/bus.h"
#include "gorouter/proxy/data_plane.h"
#include "gorouter/replies/access_log.h"
#include "gorouter/settings/config.h"
#include "gorouter/status.h"
#include "net/http/debug_server.h"
#include "routing/route_registry.h"

namespace rivera::gorouter {

class Frontend;

// The whole component. Lives on `executor` (a strand or a single-threaded context); co_await stop() before it is
// destroyed.
class Gorouter {
 public:
  // `on_end` is called with the process's exit status after a drain, when the router cannot start, or when the
  // connection to the bus is closed permanently. Throws std::runtime_error for certificates, files and addresses that
  // cannot be used.
  Gorouter(asio::any_io_executor executor, base::WorkerPool& workers, Config config, base::Logger logger,
           std::function<void(int)> on_end);
  ~Gorouter();

  // Connects to the bus, waits until the table is filled, then opens the listeners. Returns at once.
  void start();
  // Closes the listeners, finishes the open requests, then calls `on_end`. Returns at once; further calls do nothing.
  void begin_drain();
  // Waits for a running drain to end; without one, closes all connections.
  asio::awaitable<void> stop();

  // Addresses such as "127.0.0.1:8081"; "" before the router listens, and for listeners that are not configured.
  std::string http_address() const;
  std::string https_address() const;
  std::string health_address() const;
  std::string routes_address() const;
  bool is_serving() const { return plane_.health == Health::kHealthy; }
  const DataPlane& plane() const { return plane_; }

 private:
  asio::awaitable<void> run();
  asio::awaitable<void> begin();
  asio::awaitable<void> drain();
  asio::awaitable<void> prune();
  asio::awaitable<void> publish_metrics();
  void renew_date();

  Config config_;
  base::Logger logger_;
  std::function<void(int)> on_end_;
  base::Metrics metrics_;
  routing::RouteRegistry registry_;
  BackendPool backends_;
  AccessLog access_log_;
  RouterProbe probe_;
  DataPlane plane_;
  Bus bus_;
  std::unique_ptr<Frontend> frontend_;
  std::unique_ptr<StatusServers> status_;
  std::unique_ptr<net::DebugServer> debug_server_;
  bool draining_ = false;
  bool drained_ = false;
  base::Condition drain_ended_;
  base::TaskGroup tasks_;
  base::TaskGroup drain_task_;
};

}  // namespace rivera::gorouter
