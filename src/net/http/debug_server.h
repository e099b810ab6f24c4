// The debug address of a component: /metrics (Prometheus text), /log-level, /healthz, and /debug/vars if it has any.
// Plain HTTP, loopback by default.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "net/http/http_router.h"
#include "net/limits/client_limits.h"

namespace rivera::net {

class DebugServer {
 public:
  // What /debug/vars answers, a JSON object; called on the executor.
  using Variables = std::function<std::string()>;

  // Listens at once. An empty address makes a server that does nothing.
  DebugServer(asio::any_io_executor executor, const std::string& address, const base::Metrics& metrics,
              base::Logger logger, ClientLimits limits = {}, Variables variables = {});
  ~DebugServer();
  asio::awaitable<void> stop();

 private:
  HttpRouter router_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace rivera::net
