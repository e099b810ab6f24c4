// Who may call which route of the BBS, under the authorization "roles" (docs/security.md).
#pragma once

#include <string_view>
#include <vector>

#include "models/nouns/role.h"

namespace rivera::bbs {

struct RouteCallers {
  std::string_view path;
  models::RoleSet callers;
};

// One row for each route: the users that docs/spec/bbs.md §1.3 names. cfdot and test suites are the operator.
const std::vector<RouteCallers>& route_callers();

// Throws std::logic_error if the table has no row for the path.
models::RoleSet callers_of(std::string_view path);

}  // namespace rivera::bbs
