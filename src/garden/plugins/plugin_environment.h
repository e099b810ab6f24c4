// What plugins get of garden's environment.
#pragma once

#include <set>
#include <string>

namespace rivera::garden {

// Beyond what every program gets: how to reach networks and whom to trust there, as an operator has set it for garden.
inline std::set<std::string> plugin_variables() {
  return {"http_proxy",  "https_proxy", "no_proxy",      "HTTP_PROXY",
          "HTTPS_PROXY", "NO_PROXY",    "SSL_CERT_FILE", "SSL_CERT_DIR"};
}

}  // namespace rivera::garden
