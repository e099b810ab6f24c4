// Locket's gRPC port.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/worker_pool.h"
#include "locket/lock_service.h"
#include "locket/locks/locket_probe.h"
#include "net/stream/access_control.h"
#include "net/stream/tls.h"

namespace rivera::locket {

// Serves the service `models.Locket` under mutual TLS (docs/spec/locket-and-auction.md §1.1, §1.11). gRPC's threads
// only accept requests; each is handled on `executor`, the service's strand. The number of concurrent requests is
// limited; further ones get ResourceExhausted.
class GrpcServer {
 public:
  // Who may call what is decided by `access` and callers.h; others get PermissionDenied.
  GrpcServer(asio::any_io_executor executor, LockService& service, LocketProbe& probe, net::AccessControl access,
             base::Logger logger);
  // Call stop() first.
  ~GrpcServer();

  // Binds and serves. A connection of which TLS and the beginning of HTTP/2 take longer than `handshake_limit` is
  // closed. Throws std::runtime_error naming the address, or the certificate file that is bad.
  void start(const std::string& address, const net::TlsFiles& tls, std::chrono::nanoseconds handshake_limit);
  // "127.0.0.1:41234": with the real port.
  std::string address() const;
  // Accepts no more requests, waits up to `grace` for the running ones, then cancels them.
  asio::awaitable<void> stop(base::WorkerPool& workers, std::chrono::nanoseconds grace);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Reads the files and checks that certificate and key match and that the certificate has not expired. Throws
// std::runtime_error naming the file.
void check_tls_files(const net::TlsFiles& tls);

}  // namespace rivera::locket
