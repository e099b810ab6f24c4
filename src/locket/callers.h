// Who may call what of Locket, under the authorization "roles" (docs/security.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "locket/locks/locket_probe.h"
#include "models/nouns/role.h"

namespace rivera::locket {

// What a call asks for, as far as it decides who may make it.
struct Ask {
  RequestType method = RequestType::kFetch;
  bool is_presence = false;  // of kLock
  std::string key = {};      // of kLock and kRelease
};

// One row for each method; Lock has one for locks and one for presences.
struct MethodCallers {
  RequestType method;
  bool is_presence;
  std::string_view path;  // "/models.Locket/Lock"
  models::RoleSet callers;
};
const std::vector<MethodCallers>& method_callers();

// Keys that only one role, and the operator, may lock and release: those of the locks that make a component the active
// one (docs/spec/locket-and-auction.md §1.16). A key that some database takes for the same counts as the same ("BBS");
// keys that are not ASCII are the operator's alone.
struct KeyOwner {
  std::string_view key;
  models::Role role;
};
const std::vector<KeyOwner>& key_owners();

models::RoleSet callers_of(const Ask& ask);
// "/models.Locket/Lock of the key bbs": for logs and refusals.
std::string describe(const Ask& ask);

}  // namespace rivera::locket
