// A network of its own for a test: what it does to the host's network is done there.
#pragma once

#include <string>

#include "base/files.h"

namespace rivera::garden {

// While this lives, the calling thread and the processes that it starts are in a new network namespace, with a loopback
// and an interface "ext0" of the address 192.0.2.1 that the default route leads to. Needs root.
class IsolatedNetwork {
 public:
  IsolatedNetwork();
  ~IsolatedNetwork();
  IsolatedNetwork(const IsolatedNetwork&) = delete;
  IsolatedNetwork& operator=(const IsolatedNetwork&) = delete;

 private:
  base::UniqueFd home_;
};

// A packet socket on an interface in the network namespace of a process.
class FrameSocket {
 public:
  FrameSocket(const std::string& pid, const std::string& interface);
  void send(const std::string& frame) const;
  // The next frame that came in or went out; "" if there is none within a second.
  std::string receive() const;

 private:
  base::UniqueFd socket_;
};

}  // namespace rivera::garden
