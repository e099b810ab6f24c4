// Network devices, addresses and routes, through the kernel's route netlink.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "garden/firewall/address.h"

struct nlmsghdr;

namespace rivera::garden {

// One netlink socket, of the network namespace it was opened in. Blocking: for a worker thread. Every operation throws
// std::system_error naming itself and the device.
class Netlink {
 public:
  Netlink();
  // In the network namespace behind a pidfd or a descriptor of the namespace.
  static Netlink in_namespace_of(int fd);

  // The hardware address is given, so that it does not change with the ports.
  void create_bridge(const std::string& name, const MacAddress& mac);
  // The other end is created in the namespace behind `namespace_fd`, with the address `mac`.
  void create_veth(const std::string& name, const std::string& peer, const MacAddress& mac, int namespace_fd);
  void set_master(const std::string& name, const std::string& bridge);
  // Lets a bridge send a frame out of the port it came in by, and only to `mac`: the bridge learns nothing from the
  // port, and sends frames for addresses that it does not know elsewhere.
  void dedicate_port(const std::string& port, const MacAddress& mac);
  void set_up(const std::string& name, std::uint32_t mtu);
  void add_address(const std::string& name, Ipv4 address, int prefix);
  void add_default_route(Ipv4 gateway);
  // No error if there is none.
  void delete_link(const std::string& name);
  // All at once, which takes no longer than one of them.
  void delete_links(const std::vector<std::string>& names);

  struct Link {
    int index = 0;
    std::string name;
    int master = 0;  // the index of the bridge it is a port of; 0: none
    bool is_up = false;
    MacAddress mac{};
  };
  struct Address {
    int link = 0;  // index
    Ipv4 address = 0;
    int prefix = 0;
  };
  // All of the namespace.
  std::vector<Link> links();
  std::vector<Address> addresses();
  struct Traffic {
    std::uint64_t received = 0, sent = 0;  // bytes
  };
  // Nothing if there is no such interface.
  std::optional<Traffic> traffic(const std::string& name);

 private:
  explicit Netlink(base::UniqueFd socket) : socket_(std::move(socket)) {}
  class Message;
  int index_of(const std::string& name);
  // Calls `take` with the kernel's description of an interface, if there is such an interface.
  void look_up(const std::string& name, std::uint32_t filter, const std::function<void(const nlmsghdr&)>& take);
  // Sends, and receives the answer's messages until `is_last` says so of one.
  void exchange(Message& message, const std::string& what, const std::function<bool(const nlmsghdr&)>& is_last);
  void request(Message& message, const std::string& what, int accepted_error = 0);
  void dump(Message& message, const std::string& what, const std::function<void(const nlmsghdr&)>& take);

  base::UniqueFd socket_;
  std::uint32_t sequence_ = 0;
};

// Runs `work` in the network namespace behind a pidfd or a descriptor of the namespace: the calling thread joins it and
// returns to its own. Throws std::system_error, or what `work` throws.
void run_in_namespace_of(int fd, const std::function<void()>& work);

// Whether our network namespace has an interface of that name. Waits for no change in progress, unlike netlink.
bool interface_exists(const std::string& name);

// What went through the veth pair whose host end is `name`. Zeros if it does not exist.
struct InterfaceStatistics {
  std::uint64_t received = 0, sent = 0;  // bytes, as the container sees them
};
InterfaceStatistics statistics_of_host_end(const std::string& name);
// Of an interface in the network namespace of the process behind `pidfd`. Nothing if it does not exist.
std::optional<InterfaceStatistics> statistics_in_namespace_of(int pidfd, const std::string& name);

}  // namespace rivera::garden
