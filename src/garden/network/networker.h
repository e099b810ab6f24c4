// The part that connects containers: the built-in one, or a plugin.
#pragma once

#include <vector>

#include "garden/container/part.h"

namespace rivera::garden {

class Networker : public Part {
 public:
  // The two routes for egress rules, between which a plugin makes a difference.
  enum class NetOutCall { kOne, kBulk };

  // Maps a host port to a container's port (docs/spec/garden.md §3.5). Throws GardenError.
  virtual asio::awaitable<clients::garden::PortMapping> net_in(Container& container, clients::garden::NetIn wanted) = 0;
  // Opens what the rules say to a container (§3.6). Throws GardenError if one of them is malformed; then none has
  // effect.
  virtual asio::awaitable<void> net_out(Container& container, std::vector<clients::garden::NetOutRule> rules,
                                        NetOutCall call) = 0;
};

}  // namespace rivera::garden
