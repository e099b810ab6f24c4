// The route emitter: publishes to routers which instances serve which routes (docs/spec/routing.md §2).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "clients/bbs_client.h"
#include "clients/locket/lock_keeper.h"
#include "clients/locket/locket_client.h"
#include "net/http/debug_server.h"
#include "net/http/http_server.h"
#include "net/nats/nats_client.h"
#include "route_emitter/broadcast_schedule.h"
#include "route_emitter/config.h"
#include "route_emitter/emitter.h"
#include "route_emitter/watcher.h"

namespace rivera::route_emitter {

// The whole component. Starts in upstream's order: bus, health check, lock (in global mode), watcher. Lives on
// `executor` (a strand or a single-threaded context); co_await stop() before it is destroyed.
class RouteEmitter {
 public:
  // `on_end` is called with the process's exit status when the component cannot continue: no bus at the start, the lock
  // lost, the connection to the bus closed permanently. Throws std::runtime_error if a TLS file is bad or an address
  // cannot be listened on.
  RouteEmitter(asio::any_io_executor executor, Config config, base::Logger logger, std::function<void(int)> on_end);
  ~RouteEmitter();

  // Returns at once.
  void start();
  // Unregisters no route: the instances keep running, and another emitter or the next start publishes them.
  asio::awaitable<void> stop();

  // The address of the health check; "" without one.
  std::string health_address() const;

 private:
  asio::awaitable<void> run();
  asio::awaitable<void> work();
  asio::awaitable<void> hold_lock();
  asio::awaitable<void> broadcast_when_due();
  void on_bus_event(net::NatsEvent event, const std::string& server);
  void listen();

  asio::any_io_executor executor_;
  Config config_;
  base::Logger logger_;
  std::function<void(int)> on_end_;
  base::Metrics metrics_;
  base::Condition broadcast_changed_;
  bool router_broadcast_due_ = false;
  bool discovery_broadcast_due_ = false;

  net::NatsClient nats_;
  clients::BbsClient bbs_;
  Emitter emitter_;
  Watcher watcher_;
  BroadcastSchedule router_schedule_;
  BroadcastSchedule discovery_schedule_;
  std::unique_ptr<clients::LocketClient> locket_;
  std::unique_ptr<clients::LockKeeper> lock_;
  std::unique_ptr<net::DebugServer> debug_server_;
  std::unique_ptr<net::HttpServer> health_server_;
  base::TaskGroup tasks_;
};

}  // namespace rivera::route_emitter
