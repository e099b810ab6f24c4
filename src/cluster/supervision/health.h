// Asks components whether they serve.
#pragma once

#include "base/asio.h"
#include "cluster/prepare/component.h"
#include "net/http/http_client.h"

namespace rivera::cluster {

// Used on its executor only.
class HealthChecker {
 public:
  // `tls` is what https probes present.
  HealthChecker(asio::any_io_executor executor, net::TlsContext tls);

  // One attempt, at most 2 seconds. Throws only if cancelled.
  asio::awaitable<bool> is_healthy(Probe probe);

 private:
  asio::awaitable<bool> attempt(Probe probe);

  net::TlsContext tls_;
  net::HttpClient client_;
};

}  // namespace rivera::cluster
