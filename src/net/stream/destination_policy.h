// Where a client may connect: for clients whose URLs, names or redirects come from another party.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/asio.h"

namespace boost::asio::ip {
class address;
}

namespace rivera::net {

struct DestinationRules {
  // Denied beside this machine: "10.254.0.0/22", "fd00::/8", "192.0.2.1".
  std::vector<std::string> denied_networks;
  // Allowed whatever else denies them: this machine's own too.
  std::vector<std::string> allowed_networks;
  // Allowed whatever their addresses are: "host", "host:port", "[::1]:5000", as a URL spells them; case is ignored.
  std::vector<std::string> allowed_hosts;
};

// Keeps a client from this machine and from what only this machine reaches, so that a party that may name a URL cannot
// make it speak with services that trust the machine (server-side request forgery).
//
// A client with a policy looks a name up once, and connects to no other address than those that were checked: a name
// that leads elsewhere each time helps no one. Redirects are new connections, and checked as such. A value, cheap to
// copy; may be used from any thread.
class DestinationPolicy {
 public:
  // Everything is allowed.
  DestinationPolicy() = default;
  // Denied are: every address that the kernel calls this machine's own, whichever interface has it; loopback,
  // link-local (cloud metadata services), unspecified, multicast, broadcast and reserved addresses; metadata services
  // elsewhere; Unix sockets; the rules' own networks. An IPv6 address that stands for an IPv4 address is judged as
  // that. Throws std::invalid_argument naming a text that is no network or no host.
  explicit DestinationPolicy(const DestinationRules& rules);

  // False: everything is allowed.
  bool is_limited() const { return state_ != nullptr; }
  // Whether a connection to `host`, a name or the text of an address, that led to `address` may be made. Asks the
  // kernel, without waiting.
  bool allows(const std::string& host, std::uint16_t port, const asio::ip::address& address) const;
  // Those of a host's addresses that may be connected to, in their order. Throws boost::system::system_error
  // (destination_denied()) if there is none.
  std::vector<asio::ip::address> allowed_of(const std::string& host, std::uint16_t port,
                                            std::vector<asio::ip::address> addresses) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// What connecting fails with where the policy denies it. Its message names no address.
error_code destination_denied();

}  // namespace rivera::net
