#include "models/nouns/role.h"

#include <algorithm>

namespace rivera::models {
namespace {

constexpr std::string_view kUnitsOfInstances[] = {"app:", "space:", "organization:"};

bool is_unit_of_instance(std::string_view unit) {
  return std::ranges::any_of(kUnitsOfInstances, [unit](std::string_view prefix) { return unit.starts_with(prefix); });
}

}  // namespace

const std::vector<Role>& all_roles() {
  static const std::vector<Role> all{Role::kBbs,          Role::kLocket,          Role::kAuctioneer, Role::kRep,
                                     Role::kRouteEmitter, Role::kGorouter,        Role::kNats,       Role::kFileServer,
                                     Role::kSshProxy,     Role::kCloudController, Role::kOperator};
  return all;
}

std::string_view name_of(Role role) {
  switch (role) {
    case Role::kBbs:
      return "bbs";
    case Role::kLocket:
      return "locket";
    case Role::kAuctioneer:
      return "auctioneer";
    case Role::kRep:
      return "rep";
    case Role::kRouteEmitter:
      return "route-emitter";
    case Role::kGorouter:
      return "gorouter";
    case Role::kNats:
      return "nats";
    case Role::kFileServer:
      return "file-server";
    case Role::kSshProxy:
      return "ssh-proxy";
    case Role::kCloudController:
      return "cloud-controller";
    case Role::kOperator:
      return "operator";
  }
  return "";
}

RoleSet roles_of(const std::vector<std::string>& organizational_units) {
  RoleSet roles;
  for (const std::string& unit : organizational_units) {
    if (is_unit_of_instance(unit)) return {};
    const auto& all = all_roles();
    const auto named = std::ranges::find_if(all, [&unit](Role role) { return unit == name_of(role); });
    if (named != all.end()) roles = roles.with({*named});
  }
  return roles;
}

std::uint32_t role_bits(const std::vector<std::string>& organizational_units) {
  return roles_of(organizational_units).bits();
}

}  // namespace rivera::models
