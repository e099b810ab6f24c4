// A real nats-server for tests: on a free port of 127.0.0.1, stopped with its object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/files.h"
#include "base/process/child_process.h"

namespace rivera::net {

// For tests only. Throws std::runtime_error if the server does not begin to listen within 20 seconds.
class NatsTestServer {
 public:
  // `configuration`: lines of a nats-server configuration file, for TLS or users.
  explicit NatsTestServer(std::string configuration = "");
  ~NatsTestServer();
  NatsTestServer(const NatsTestServer&) = delete;
  NatsTestServer& operator=(const NatsTestServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string address() const;
  // At once, as kill -9 does.
  void stop();
  // From the next start() on.
  void reconfigure(std::string configuration) { configuration_ = std::move(configuration); }
  // Again, on the same port.
  void start();

 private:
  base::TemporaryDirectory directory_;
  std::string configuration_;
  std::uint16_t port_ = 0;
  std::optional<base::ChildProcess> process_;
};

}  // namespace rivera::net
