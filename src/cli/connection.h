// How cfdot reaches the cluster: flags, environment variables and their checks (docs/spec/access-and-tools.md §4.2).
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "net/stream/tls.h"

namespace rivera::cli {

struct Connection {
  std::string bbs_url;
  std::string locket_address;
  net::TlsFiles tls;
  bool skip_verification = false;
  std::chrono::seconds timeout{0};  // 0: none
};

std::vector<Flag> bbs_flags(bool with_timeout);
std::vector<Flag> locket_flags();

// Flag first, then environment variable. Each throws UsageError with upstream's text.
Connection bbs_connection(const Arguments& arguments, bool with_timeout);
Connection locket_connection(const Arguments& arguments);

}  // namespace rivera::cli
