// The TLS proxy of a container: its settings and the files that it reads (docs/spec/cell.md §2.18). Pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "executor/container/container.h"
#include "executor/container/container_spec.h"
#include "net/crypto/certificate_authority.h"

namespace rivera::executor {

struct ProxyOptions {
  bool enabled = false;
  std::string program_directory;  // of the host, mounted in containers; holds "envoy", or our own "proxy"
  bool is_envoy = false;
  std::string rootfs;                      // in which it runs; empty: the container's
  std::int64_t memory_mb = 0;              // added to the limit of each container
  std::filesystem::path config_directory;  // of the host: one directory for each container
  bool requires_client_certificates = false;
  std::vector<std::string> trusted_ca_certificates;  // PEM texts
  std::vector<std::string> client_names;             // subject alternative names, one of which a client must have
  std::vector<std::string> ads_addresses;            // Envoy's, "host:port"
  bool http2 = true;
  std::chrono::nanoseconds reload_duration = std::chrono::seconds(5);  // for a change of certificates to be read
  std::chrono::nanoseconds drain_timeout = std::chrono::minutes(15);   // Envoy's
  bool checks_liveness = false;
  std::chrono::nanoseconds liveness_interval = std::chrono::seconds(30);
};

// Where a container finds them.
inline constexpr const char* kProxyMount = "/etc/cf-assets/envoy";
inline constexpr const char* kProxyConfigMount = "/etc/cf-assets/envoy_config";

// Whether a proxy stands in front of the container.
bool is_proxied(const RunInfo& info, const ProxyOptions& options);

// A file of the configuration directory. `in_place`: is written over instead of replaced, as upstream does.
struct ProxyFile {
  std::string name;
  std::string content;
  bool in_place = false;
};

struct ProxyCredentials {
  net::KeyPair identity;
  net::KeyPair c2c;  // for port 61443
};

// The files for one container, whose addresses must be known. Throws std::runtime_error with upstream's texts: "failed
// to read certificate", "ads server address is invalid: <text>".
std::vector<ProxyFile> proxy_files(const Container& container, const ProxyOptions& options,
                                   const ProxyCredentials& credentials);

// Envoy's own, by their names.
std::string envoy_bootstrap(const Container& container, const ProxyOptions& options);
std::string envoy_certificate(const std::string& name, const net::KeyPair& pair);
std::string envoy_validation_context(const ProxyOptions& options);

// The process of the proxy, without environment and mounts.
garden::ProcessSpec proxy_process(const std::string& handle, const ProxyOptions& options);

}  // namespace rivera::executor
