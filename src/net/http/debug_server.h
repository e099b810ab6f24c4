// The debug address of a component: /metrics (Prometheus text), /log-level, /healthz. Plain HTTP, loopback by default.
#pragma once

#include <memory>
#include <string>

#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "net/http/http_router.h"

namespace rivera::net {

class DebugServer {
 public:
  // Listens at once. An empty address makes a server that does nothing.
  DebugServer(asio::any_io_executor executor, const std::string& address, const base::Metrics& metrics,
              base::Logger logger);
  ~DebugServer();
  asio::awaitable<void> stop();

 private:
  HttpRouter router_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace rivera::net
