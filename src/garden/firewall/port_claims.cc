#include "garden/firewall/port_claims.h"

namespace rivera::garden {

PortClaims::Change PortClaims::add(const std::string& owner, const MappedPort& port) {
  auto& claims = claims_[port.host_port];
  claims.push_back({owner, port});
  Change change;
  if (claims.size() == 1) change.added = port;
  return change;
}

PortClaims::Change PortClaims::remove(const std::string& owner, const MappedPort& port) {
  const auto found = claims_.find(port.host_port);
  if (found == claims_.end()) return {};
  for (std::size_t i = found->second.size(); i-- > 0;) {
    const Claim& claim = found->second[i];
    if (claim.owner == owner && claim.port == port) return erase(found, i);
  }
  return {};
}

std::vector<PortClaims::Change> PortClaims::remove_owner(const std::string& owner) {
  std::vector<MappedPort> ports;
  for (const auto& [number, claims] : claims_) {
    // The later ones first: else they would count for a moment.
    for (auto claim = claims.rbegin(); claim != claims.rend(); ++claim) {
      if (claim->owner == owner) ports.push_back(claim->port);
    }
  }
  std::vector<Change> changes;
  changes.reserve(ports.size());
  for (const auto& port : ports) changes.push_back(remove(owner, port));
  return changes;
}

PortClaims::Change PortClaims::erase(Claims::iterator claims, std::size_t index) {
  Change change;
  auto& list = claims->second;
  if (index == 0) change.removed = list.front().port;
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(index));
  if (index == 0 && !list.empty()) change.added = list.front().port;
  if (list.empty()) claims_.erase(claims);
  return change;
}

std::vector<MappedPort> PortClaims::effective() const {
  std::vector<MappedPort> ports;
  for (const auto& [number, claims] : claims_) ports.push_back(claims.front().port);
  return ports;
}

}  // namespace rivera::garden
