#include "locket/callers.h"

#include <algorithm>
#include <cctype>

namespace rivera::locket {
namespace {

using models::Role;
using models::RoleSet;

// Components of which one at a time is active.
constexpr RoleSet kLockHolders{Role::kBbs, Role::kAuctioneer, Role::kRouteEmitter, Role::kCloudController,
                               Role::kOperator};

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c < 0x80; });
}

// As the loosest of the databases compares: without case, without spaces at the end.
std::string folded(std::string_view key) {
  while (key.ends_with(' ')) key.remove_suffix(1);
  std::string out(key);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

const std::vector<MethodCallers>& method_callers() {
  static const std::vector<MethodCallers> rows{
      {RequestType::kLock, false, "/models.Locket/Lock", kLockHolders},
      {RequestType::kLock, true, "/models.Locket/Lock", {Role::kRep, Role::kOperator}},
      {RequestType::kRelease, false, "/models.Locket/Release", kLockHolders.with({Role::kRep})},
      {RequestType::kFetch, false, "/models.Locket/Fetch", kLockHolders},
      {RequestType::kFetchAll, false, "/models.Locket/FetchAll", {Role::kBbs, Role::kOperator}},
  };
  return rows;
}

const std::vector<KeyOwner>& key_owners() {
  static const std::vector<KeyOwner> rows{
      {"bbs", Role::kBbs},
      {"auctioneer", Role::kAuctioneer},
      {"route_emitter", Role::kRouteEmitter},
      {"tps_watcher", Role::kCloudController},
  };
  return rows;
}

RoleSet callers_of(const Ask& ask) {
  if (!is_ascii(ask.key)) return {Role::kOperator};
  const std::string key = folded(ask.key);
  for (const KeyOwner& owner : key_owners()) {
    if (key == owner.key) return {owner.role, Role::kOperator};
  }
  for (const MethodCallers& row : method_callers()) {
    if (row.method == ask.method && row.is_presence == ask.is_presence) return row.callers;
  }
  return {};
}

std::string describe(const Ask& ask) {
  std::string out;
  for (const MethodCallers& row : method_callers()) {
    if (row.method == ask.method) out = row.path;
  }
  if (ask.is_presence) return out + " of the presence " + ask.key;
  return ask.key.empty() ? out : out + " of the key " + ask.key;
}

}  // namespace rivera::locket
