// The cluster's certificates: one CA, and one pair for each component, with its role (docs/security.md).
#pragma once

#include <string>

#include "cluster/settings/settings.h"
#include "net/stream/tls.h"

namespace rivera::cluster {

// The files of a component ("bbs", "rep", ...) or of the operator ("client"). They need not exist.
net::TlsFiles tls_files(const Settings& settings, const std::string& component);

// Makes what is missing, no longer fits (other names, role or use, another CA) or expires within 30 days; leaves the
// rest. Keys are for root only. Returns true if anything was made, so that running components must be restarted to use
// it.
bool make_certificates(const Settings& settings);

}  // namespace rivera::cluster
