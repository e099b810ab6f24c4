#include "net/stream/access_control.h"

#include <fmt/format.h>

namespace rivera::net {

base::ConfigKey authorization_key() {
  return base::text_key("authorization", "any").one_of({"any", "roles"}).with_zero_as_default();
}

Authorization read_authorization(const base::ConfigFile& file) {
  return file.text("authorization") == "roles" ? Authorization::kRoles : Authorization::kAny;
}

std::string subject_text(const std::string& common_name, const std::vector<std::string>& organizational_units) {
  std::string out;
  for (const std::string& unit : organizational_units) out += "OU=" + unit + ",";
  return out + "CN=" + common_name;
}

AccessControl::AccessControl(Authorization authorization, RolesOf roles_of, const base::Logger& logger) {
  if (authorization == Authorization::kAny) return;
  roles_of_ = roles_of;
  logger_ = logger;
}

Caller AccessControl::identify(const Stream& stream) const {
  const Stream::PeerIdentity peer = stream.peer_identity();
  if (peer.certificate_pem.empty()) return {.subject = "", .address = stream.peer_address(), .roles = 0};
  return identify(peer.common_name, peer.organizational_units, stream.peer_address());
}

Caller AccessControl::identify(std::string common_name, const std::vector<std::string>& organizational_units,
                               std::string address) const {
  return {.subject = subject_text(common_name, organizational_units),
          .address = std::move(address),
          .roles = is_enforced() ? roles_of_(organizational_units) : 0};
}

bool AccessControl::allows(const Caller& caller, RoleBits callers, std::string_view route) const {
  if (!is_enforced() || callers == kAnyCaller || (caller.roles & callers) != 0) return true;
  logger_->info("access-denied",
                {{"subject", caller.subject}, {"address", caller.address}, {"route", std::string(route)}});
  return false;
}

std::string refusal_text(const Caller& caller, std::string_view route) {
  if (caller.subject.empty()) return fmt::format("a caller without a certificate may not call {}", route);
  return fmt::format("{} may not call {}", caller.subject, route);
}

}  // namespace rivera::net
