// Network devices, addresses and routes, through the kernel's route netlink.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"

namespace rivera::garden {

// An IPv4 address in host order.
using Ipv4 = std::uint32_t;

// Throws std::invalid_argument naming the text.
Ipv4 parse_ipv4(const std::string& text);
std::string to_text(Ipv4 address);

// One netlink socket, of the network namespace it was opened in. Blocking: for a worker thread. Every operation throws
// std::system_error naming itself and the device.
class Netlink {
 public:
  Netlink();
  // In the namespace of that process. The calling thread joins it and returns to its own.
  static Netlink in_namespace_of(int pidfd);

  void create_bridge(const std::string& name);
  // The other end is created in the namespace behind `namespace_fd`.
  void create_veth(const std::string& name, const std::string& peer, int namespace_fd);
  void set_master(const std::string& name, const std::string& bridge);
  // Lets a bridge send a frame out of the port it came in by.
  void set_hairpin(const std::string& port);
  void set_up(const std::string& name, std::uint32_t mtu);
  void add_address(const std::string& name, Ipv4 address, int prefix);
  void add_default_route(Ipv4 gateway);
  // No error if there is none.
  void delete_link(const std::string& name);
  bool exists(const std::string& name);

 private:
  explicit Netlink(base::UniqueFd socket) : socket_(std::move(socket)) {}
  class Message;
  int index_of(const std::string& name);
  void request(Message& message, const std::string& what, int accepted_error = 0);

  base::UniqueFd socket_;
  std::uint32_t sequence_ = 0;
};

// What went through the veth pair whose host end is `name`. Zeros if it does not exist.
struct InterfaceStatistics {
  std::uint64_t received = 0, sent = 0;  // bytes, as the container sees them
};
InterfaceStatistics statistics_of_host_end(const std::string& name);

// The names of our network namespace's interfaces.
std::vector<std::string> interface_names();

}  // namespace rivera::garden
