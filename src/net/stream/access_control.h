// Who may call what: a server's rule, in addition to the verification of its peers' certificates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config/config.h"
#include "base/log/log.h"
#include "net/stream/stream.h"

namespace rivera::net {

enum class Authorization {
  kAny,    // every verified certificate may call every route, as upstream
  kRoles,  // each route names the roles that may call it
};

// The key "authorization" of a server's configuration: "any", the default, or "roles".
base::ConfigKey authorization_key();
Authorization read_authorization(const base::ConfigFile& file);

// A set of roles, as bits; each program decides which bit is which role.
using RoleBits = std::uint32_t;
// Routes with these callers are open to every verified certificate, even without a role.
inline constexpr RoleBits kAnyCaller = ~RoleBits{0};

// The peer of a connection.
struct Caller {
  std::string subject;  // "OU=rep,CN=cell-1"; "" without a certificate
  std::string address;  // "10.0.0.1:41234"
  RoleBits roles = 0;
};

// "OU=rep,CN=cell-1": how logs name a certificate.
std::string subject_text(const std::string& common_name, const std::vector<std::string>& organizational_units);

// Decides for a server. A value, cheap to copy; may be used from any thread.
class AccessControl {
 public:
  using RolesOf = RoleBits (*)(const std::vector<std::string>& organizational_units);

  // Authorization::kAny.
  AccessControl() = default;
  // `roles_of` reads the organizational units of a verified certificate.
  AccessControl(Authorization authorization, RolesOf roles_of, const base::Logger& logger);

  // False: allows() is true for every caller, and there is no need to identify() any.
  bool is_enforced() const { return roles_of_ != nullptr; }
  // Call it once for each connection.
  Caller identify(const Stream& stream) const;
  Caller identify(std::string common_name, const std::vector<std::string>& organizational_units,
                  std::string address) const;
  // Whether `caller` may call a route that is for `callers`. If not, logs one line that names both.
  bool allows(const Caller& caller, RoleBits callers, std::string_view route) const;

 private:
  RolesOf roles_of_ = nullptr;
  std::optional<base::Logger> logger_;
};

// What a refused caller reads: "OU=rep,CN=cell-1 may not call /v1/domains/upsert".
std::string refusal_text(const Caller& caller, std::string_view route);

}  // namespace rivera::net
