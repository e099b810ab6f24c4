// Locket's gRPC port.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"
#include "locket/lock_service.h"
#include "locket/locks/locket_probe.h"
#include "net/limits/client_limits.h"
#include "net/stream/access_control.h"
#include "net/stream/tls.h"

namespace rivera::locket {

// Serves the service `models.Locket` under mutual TLS (docs/spec/locket-and-auction.md §1.1, §1.11). Everything happens
// on `executor`, the service's strand. What clients make it hold, and how many of their requests it handles at once, is
// limited (net::GrpcServerOptions).
class LockPort {
 public:
  // Who may call what is decided by `access` and callers.h; others get PermissionDenied.
  LockPort(asio::any_io_executor executor, LockService& service, LocketProbe& probe, net::AccessControl access,
           base::Logger logger);
  // Call stop() first.
  ~LockPort();

  // Binds and serves. Throws std::runtime_error naming the address, or the certificate file that is bad.
  void start(const std::string& address, const net::TlsFiles& tls, const net::ClientLimits& limits);
  // "127.0.0.1:41234": with the real port.
  std::string address() const;
  // Accepts no more requests, waits up to `grace` for the running ones, then ends the connections.
  asio::awaitable<void> stop(std::chrono::nanoseconds grace);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Reads the files and checks that certificate and key match and that the certificate has not expired. Throws
// std::runtime_error naming the file.
void check_tls_files(const net::TlsFiles& tls);

}  // namespace rivera::locket
