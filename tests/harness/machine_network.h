// The network between the machines of a test cluster.
#pragma once

#include <chrono>
#include <string>

#include "base/files.h"
#include "harness/frame_delay.h"
#include "harness/machine.h"

namespace rivera::harness {

// A bridge in the network namespace of a machine of its own, the switch. Each other machine has an `eth0` on it, an
// address of 10.77.0.0/16 and a default route to the switch, which leads nowhere.
//
// The thread that makes this object is in the switch's namespace until the object's end: it reaches every machine, also
// those that are cut off from each other. Nothing of the host's network is changed or reached.
class MachineNetwork {
 public:
  // Two name servers: the first has no listener, so that asking it fails at once; the second one swallows what it
  // is sent, so that asking it fails by the resolver's own limit.
  static constexpr char kRefusingNameServer[] = "10.77.0.1";
  static constexpr char kSilentNameServer[] = "10.77.0.2";
  // "10.77.1.<number>"
  static std::string address(int number);

  // `switch_machine` is up.
  explicit MachineNetwork(const Machine& switch_machine);
  ~MachineNetwork();
  MachineNetwork(const MachineNetwork&) = delete;
  MachineNetwork& operator=(const MachineNetwork&) = delete;

  // After each boot. A frame takes `delay` in each direction.
  void attach(const Machine& machine, const std::string& address, std::chrono::milliseconds delay);

  // Packets between the two are lost, in both directions, those of open connections too.
  void cut(const std::string& address, const std::string& other);
  // Undoes every cut.
  void heal();

 private:
  base::UniqueFd home_;  // the namespace to return to
  FrameDelay delay_;
};

}  // namespace rivera::harness
