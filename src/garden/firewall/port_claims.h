// Which container a host port leads to. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "garden/firewall/address.h"

namespace rivera::garden {

struct MappedPort {
  std::uint32_t host_port = 0;
  Ipv4 address = 0;
  std::uint32_t container_port = 0;
  bool operator==(const MappedPort&) const = default;
};

// Several containers may be given the same host port: it leads to the one that came first (docs/spec/garden.md §3.5),
// and to the next one after that container's end.
class PortClaims {
 public:
  // What has to be changed in the kernel.
  struct Change {
    std::optional<MappedPort> removed, added;
  };

  // `owner` is the container's id.
  Change add(const std::string& owner, const MappedPort& port);
  // Takes back the owner's latest claim of that kind. Without effect if there is none.
  Change remove(const std::string& owner, const MappedPort& port);
  // All of the owner's.
  std::vector<Change> remove_owner(const std::string& owner);

  // Where each port leads.
  std::vector<MappedPort> effective() const;

 private:
  struct Claim {
    std::string owner;
    MappedPort port;
  };
  using Claims = std::map<std::uint32_t, std::vector<Claim>>;  // by host port; the first counts
  Change erase(Claims::iterator claims, std::size_t index);
  Claims claims_;
};

}  // namespace rivera::garden
