// The role of a component towards the others, which its certificate carries (docs/security.md).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace rivera::models {

enum class Role : std::uint8_t {
  kBbs,
  kLocket,
  kAuctioneer,
  kRep,
  kRouteEmitter,
  kGorouter,
  kNats,
  kFileServer,
  kSshProxy,
  kCloudController,  // and what works on its behalf: its bridge, the TPS watcher
  kOperator,         // people and their tools: cfdot, ./run
};

// Every role, in the order of the enum.
const std::vector<Role>& all_roles();

// The organizational unit that stands for the role in a certificate: "route-emitter".
std::string_view name_of(Role role);

// A set of roles: what a caller is, or who may call a route.
class RoleSet {
 public:
  constexpr RoleSet() = default;
  constexpr RoleSet(std::initializer_list<Role> roles) {
    for (const Role role : roles) bits_ |= bit_of(role);
  }
  // Every caller with a certificate that is verified, even without a role.
  static constexpr RoleSet anyone() {
    RoleSet all;
    all.bits_ = ~std::uint32_t{0};
    return all;
  }

  constexpr bool has(Role role) const { return (bits_ & bit_of(role)) != 0; }
  constexpr RoleSet with(RoleSet others) const {
    others.bits_ |= bits_;
    return others;
  }
  // For net::AccessControl.
  constexpr std::uint32_t bits() const { return bits_; }
  constexpr bool operator==(const RoleSet&) const = default;

 private:
  static constexpr std::uint32_t bit_of(Role role) { return std::uint32_t{1} << static_cast<unsigned>(role); }
  std::uint32_t bits_ = 0;
};

// The roles that a certificate's organizational units name; other units are ignored. None if one of the units names an
// application, a space or an organization ("app:<guid>"): that is the certificate of an instance, whatever else a
// definition has put into it (docs/spec/cell.md §2.17).
RoleSet roles_of(const std::vector<std::string>& organizational_units);

// The same as bits, for net::AccessControl.
std::uint32_t role_bits(const std::vector<std::string>& organizational_units);

}  // namespace rivera::models
