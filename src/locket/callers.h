// Who may call what of Locket, under the authorization "roles" (docs/security.md).
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "locket/locks/locket_probe.h"
#include "models/nouns/role.h"
#include "net/stream/access_control.h"

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

// The callers behind certificates. gRPC gives the certificate with each call; it is read once and found by its bytes
// from then on. Holds at most 1,024; used on one strand.
class CallerCache {
 public:
  explicit CallerCache(net::AccessControl access) : access_(std::move(access)) {}

  // `certificate_pem`: verified. The caller's address is left empty.
  const net::Caller& find(const std::string& certificate_pem);

 private:
  net::AccessControl access_;
  std::unordered_map<std::string, net::Caller> callers_;
};

}  // namespace rivera::locket
