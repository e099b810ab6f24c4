// A server that has been stopped, as its clients see it.
#pragma once

#include <cstdint>
#include <string>

#include "base/files.h"

namespace rivera::net {

// The kernel accepts connections on the port, and nothing is ever said on them. For tests only.
class StoppedServer {
 public:
  // `port` 0: a free one. Throws std::system_error.
  explicit StoppedServer(const std::string& ipv4_address, std::uint16_t port = 0);
  std::uint16_t port() const { return port_; }

 private:
  base::UniqueFd socket_;
  std::uint16_t port_ = 0;
};

}  // namespace rivera::net
