// The settings of the proxy: the file proxy.conf of its directory, which the cell writes.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace proxy {

// One port on which it terminates TLS.
struct Listener {
  std::uint16_t port = 0;
  std::uint16_t backend_port = 0;
  std::string certificate;  // file of the directory: certificate, chain and key
  bool http2 = false;       // offer h2 and http/1.1
  bool verify = false;      // require a client certificate
};

struct Settings {
  std::string backend;  // address of the application
  std::vector<Listener> listeners;
  std::vector<std::string> clients;  // names, one of which a client's certificate must have; empty: any
};

class SettingsError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The lines "backend ADDRESS", "listen PORT BACKEND-PORT CERTIFICATE [http2] [verify]", "client NAME". Throws
// SettingsError.
Settings parse_settings(const std::string& text);

}  // namespace proxy
