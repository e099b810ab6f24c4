#include "cluster/prepare/certificates.h"

#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "models/nouns/role.h"
#include "net/crypto/certificate_authority.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

constexpr auto kAuthorityValidity = hours(24 * 3650);
constexpr auto kValidity = hours(24 * 365);
constexpr auto kRenewalMargin = hours(24 * 30);

using models::Role;
using net::CertificateUse;

struct Identity {
  std::string component;
  Role role;
  CertificateUse use;
  std::vector<std::string> service_names;
};

// The DNS names are those of a Diego deployment, so that the certificates also fit where such names are used. The
// auctioneer and the BBS know a cell as "<cell id>.cell.service.cf.internal".
const std::vector<Identity>& identities() {
  static const std::vector<Identity> all{
      {"locket", Role::kLocket, CertificateUse::kServer, {"locket.service.cf.internal"}},
      {"bbs", Role::kBbs, CertificateUse::kBoth, {"bbs.service.cf.internal"}},
      {"auctioneer", Role::kAuctioneer, CertificateUse::kBoth, {"auctioneer.service.cf.internal"}},
      {"rep", Role::kRep, CertificateUse::kBoth, {"cell.service.cf.internal", "*.cell.service.cf.internal"}},
      {"route-emitter", Role::kRouteEmitter, CertificateUse::kClient, {}},
      {"gorouter", Role::kGorouter, CertificateUse::kClient, {}},
      {"nats", Role::kNats, CertificateUse::kServer, {"nats.service.cf.internal"}},
      {"client", Role::kOperator, CertificateUse::kClient, {}},
  };
  return all;
}

net::CertificateSubject subject_of(const Settings& settings, const Identity& identity) {
  net::CertificateSubject subject{.common_name = identity.component,
                                  .organizational_units = {std::string(models::name_of(identity.role))},
                                  .use = identity.use};
  if (identity.use == CertificateUse::kClient) return subject;
  subject.dns_names = identity.service_names;
  subject.dns_names.push_back("localhost");
  subject.addresses = {"127.0.0.1"};
  if (settings.host_address != "127.0.0.1") subject.addresses.push_back(settings.host_address);
  return subject;
}

bool expires_soon(const std::string& certificate_pem) {
  return net::certificate_expiry(certificate_pem) < base::SystemClock().now() + kRenewalMargin;
}

bool is_still_good(const net::TlsFiles& files, const net::CertificateSubject& subject, const std::string& ca_pem) {
  if (!fs::exists(files.certificate_file) || !fs::exists(files.key_file)) return false;
  try {
    const std::string pem = base::read_file(files.certificate_file);
    return !expires_soon(pem) && net::is_signed_by(pem, ca_pem) && net::certificate_subject(pem) == subject;
  } catch (const std::exception&) {
    return false;  // unreadable: it is replaced
  }
}

void write_pair(const std::string& certificate_file, const std::string& key_file, const net::KeyPair& pair) {
  base::write_file_atomically(key_file, pair.key_pem, 0600, true);
  base::write_file_atomically(certificate_file, pair.certificate_pem, 0644, true);
}

net::CertificateAuthority load_or_make_authority(const Settings& settings, bool& made) {
  const auto certificate_file = (settings.certs_dir() / "ca.crt").string();
  const auto key_file = (settings.certs_dir() / "ca.key").string();
  if (fs::exists(certificate_file) && fs::exists(key_file)) {
    try {
      auto authority = net::CertificateAuthority::load({base::read_file(certificate_file), base::read_file(key_file)});
      if (!expires_soon(authority.pair().certificate_pem)) return authority;
    } catch (const std::runtime_error&) {
      // Damaged: a new CA replaces it, and with it every certificate.
    }
  }
  made = true;
  auto authority = net::CertificateAuthority::make("Rivera CA", kAuthorityValidity);
  write_pair(certificate_file, key_file, authority.pair());
  return authority;
}

}  // namespace

net::TlsFiles tls_files(const Settings& settings, const std::string& component) {
  const fs::path directory = settings.certs_dir();
  return {.certificate_file = (directory / (component + ".crt")).string(),
          .key_file = (directory / (component + ".key")).string(),
          .ca_file = (directory / "ca.crt").string()};
}

bool make_certificates(const Settings& settings) {
  bool made = false;
  net::CertificateAuthority authority = load_or_make_authority(settings, made);
  for (const Identity& identity : identities()) {
    const net::TlsFiles files = tls_files(settings, identity.component);
    const net::CertificateSubject subject = subject_of(settings, identity);
    if (is_still_good(files, subject, authority.pair().certificate_pem)) continue;
    write_pair(files.certificate_file, files.key_file, authority.issue(subject, kValidity));
    made = true;
  }
  return made;
}

}  // namespace rivera::cluster
