// Links between network devices on which every frame takes a given time.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/files.h"

namespace rivera::harness {

// Copies Ethernet frames between pairs of TAP devices, each after its link's delay. Does what `tc qdisc netem delay`
// does, on kernels without it. A link holds at most 4,096 frames in each direction; more are lost, as on a real one.
// May be used by one thread; the copying is done by another.
class FrameDelay {
 public:
  FrameDelay();
  ~FrameDelay();

  // Makes the devices `left` and `right` in the calling thread's network namespace and connects them. They may be
  // moved to other namespaces afterwards. A link ends when one of its devices is deleted. Throws std::system_error.
  void connect(const std::string& left, const std::string& right, std::chrono::milliseconds delay);

 private:
  class Relay;
  std::unique_ptr<Relay> relay_;
};

}  // namespace rivera::harness
