#include "executor/identity/proxy_config.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

namespace rivera::executor {
namespace {

constexpr const char* kSdsWatch =
    "path_config_source:\n"
    "{0}  path: /etc/cf-assets/envoy_config/{1}.yaml\n"
    "{0}  watched_directory:\n"
    "{0}    path: /etc/cf-assets/envoy_config\n";
constexpr std::size_t kMostTrustedBytes = 512u << 10;

// The lines of a text, each behind blanks.
std::string indented(const std::string& text, std::size_t blanks) {
  std::string out;
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto end = std::min(rest.size(), rest.find('\n'));
    out.append(blanks, ' ').append(rest.substr(0, end)).append("\n");
    rest.remove_prefix(std::min(rest.size(), end + 1));
  }
  return out;
}

std::string sds_source(const char* file, std::size_t blanks) {
  return fmt::format(fmt::runtime(kSdsWatch), std::string(blanks, ' '), file);
}

// The applications' ports of a container and those of the proxy, in the order of the mappings.
std::vector<ProxyPort> ports_of(const Container& container) {
  std::vector<ProxyPort> ports;
  for (const auto& mapping : container.ports) {
    if (mapping.container_tls_proxy_port == 0) continue;
    ports.push_back({.app_port = mapping.container_port, .proxy_port = mapping.container_tls_proxy_port});
  }
  return ports;
}

std::uint32_t free_admin_port(const std::vector<ProxyPort>& ports) {
  std::set<std::uint32_t> used;
  for (const auto& port : ports) used.insert({port.app_port, port.proxy_port});
  auto port = kFirstProxyPort;
  while (used.contains(port)) ++port;
  return port;
}

std::string app_cluster(const std::string& address, std::uint32_t port) {
  return fmt::format(
      "  - circuit_breakers:\n"
      "      thresholds:\n"
      "      - max_connections: 4294967295\n"
      "      - max_pending_requests: 4294967295\n"
      "      - max_requests: 4294967295\n"
      "    connect_timeout: 0.250s\n"
      "    load_assignment:\n"
      "      cluster_name: service-cluster-{1}\n"
      "      endpoints:\n"
      "      - lb_endpoints:\n"
      "        - endpoint:\n"
      "            address:\n"
      "              socket_address:\n"
      "                address: {0}\n"
      "                port_value: {1}\n"
      "    name: service-cluster-{1}\n"
      "    type: STATIC\n",
      address, port);
}

std::string ads_cluster(const std::vector<std::string>& addresses) {
  std::string endpoints;
  for (const auto& address : addresses) {
    const auto colon = address.rfind(':');
    std::uint16_t port = 0;
    const auto digits = colon == std::string::npos ? std::string() : address.substr(colon + 1);
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (colon == 0 || digits.empty() || ec != std::errc() || end != digits.data() + digits.size()) {
      throw std::runtime_error("ads server address is invalid: " + address);
    }
    endpoints += fmt::format(
        "        - endpoint:\n"
        "            address:\n"
        "              socket_address:\n"
        "                address: {}\n"
        "                port_value: {}\n",
        address.substr(0, colon), port);
  }
  return "  - connect_timeout: 0.250s\n"
         "    http2_protocol_options: {}\n"
         "    load_assignment:\n"
         "      cluster_name: pilot-ads\n"
         "      endpoints:\n"
         "      - lb_endpoints:\n" +
         endpoints +
         "    name: pilot-ads\n"
         "    type: STATIC\n";
}

std::string listener(const ProxyPort& port, const ProxyOptions& options) {
  const bool is_c2c = port.proxy_port == kC2cPort;
  const bool verifies = options.requires_client_certificates && !is_c2c;
  std::string out = fmt::format(
      "  - address:\n"
      "      socket_address:\n"
      "        address: 0.0.0.0\n"
      "        port_value: {1}\n"
      "    filter_chains:\n"
      "    - filters:\n"
      "      - name: envoy.tcp_proxy\n"
      "        typed_config:\n"
      "          '@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy\n"
      "          cluster: service-cluster-{0}\n"
      "          stat_prefix: stats-{0}-{1}\n"
      "      transport_socket:\n"
      "        name: listener-{0}-{1}\n"
      "        typed_config:\n"
      "          '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext\n"
      "          common_tls_context:\n",
      port.app_port, port.proxy_port);
  if (options.http2 && !is_c2c) out += "            alpn_protocols:\n            - h2,http/1.1\n";
  out += fmt::format(
      "            tls_certificate_sds_secret_configs:\n"
      "            - name: {0}\n"
      "              sds_config:\n"
      "                {1}"
      "            tls_params:\n"
      "              cipher_suites:\n"
      "              - ECDHE-RSA-AES256-GCM-SHA384\n"
      "              - ECDHE-RSA-AES128-GCM-SHA256\n",
      is_c2c ? "c2c-cert-and-key" : "id-cert-and-key",
      sds_source(is_c2c ? "sds-c2c-cert-and-key" : "sds-id-cert-and-key", 16));
  if (verifies) {
    out += fmt::format(
        "            validation_context_sds_secret_config:\n"
        "              name: id-validation-context\n"
        "              sds_config:\n"
        "                {}"
        "          require_client_certificate: true\n",
        sds_source("sds-id-validation-context", 16));
  }
  return out + fmt::format("    name: listener-{}-{}\n", port.app_port, port.proxy_port);
}

std::string trusted_certificates(const ProxyOptions& options) {
  std::vector<std::string> texts;
  for (const auto& text : options.trusted_ca_certificates) {
    if (!text.empty()) texts.push_back(text);
  }
  auto joined = net::joined_certificates(texts);
  if (joined.size() > kMostTrustedBytes) throw std::runtime_error("the trusted CA certificates are too large");
  return joined;
}

// A text in double quotes, for names that an operator configured.
std::string yaml_text(const std::string& text) {
  const bool is_plain = !text.empty() && text.find_first_not_of(
                                             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                             "0123456789.-_/") == std::string::npos;
  if (is_plain) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::vector<ProxyFile> envoy_files(const Container& container, const ProxyOptions& options,
                                   const ProxyCredentials& credentials) {
  return {{"envoy.yaml", envoy_bootstrap(container, options), true},
          {"sds-id-cert-and-key.yaml", envoy_certificate("id-cert-and-key", credentials.identity)},
          {"sds-c2c-cert-and-key.yaml", envoy_certificate("c2c-cert-and-key", credentials.c2c)},
          {"sds-id-validation-context.yaml", envoy_validation_context(options)}};
}

// What lifecycle/proxy reads. A certificate and its key are in one file, so that a reader never sees a half of each.
std::vector<ProxyFile> own_files(const Container& container, const ProxyOptions& options,
                                 const ProxyCredentials& credentials) {
  std::string lines = "backend " + container.internal_ip + "\n";
  for (const auto& port : ports_of(container)) {
    const bool is_c2c = port.proxy_port == kC2cPort;
    lines += fmt::format("listen {} {} {}", port.proxy_port, port.app_port, is_c2c ? "c2c.pem" : "id.pem");
    if (!is_c2c && options.http2) lines += " http2";
    if (!is_c2c && options.requires_client_certificates) lines += " verify";
    lines += "\n";
  }
  for (const auto& name : options.client_names) lines += "client " + name + "\n";
  return {{"id.pem", credentials.identity.certificate_pem + credentials.identity.key_pem},
          {"c2c.pem", credentials.c2c.certificate_pem + credentials.c2c.key_pem},
          {"ca.pem", trusted_certificates(options)},
          {"proxy.conf", lines}};
}

}  // namespace

bool is_proxied(const RunInfo& info, const ProxyOptions& options) {
  return options.enabled && info.enable_container_proxy;
}

std::vector<ProxyFile> proxy_files(const Container& container, const ProxyOptions& options,
                                   const ProxyCredentials& credentials) {
  return options.is_envoy ? envoy_files(container, options, credentials) : own_files(container, options, credentials);
}

std::string envoy_bootstrap(const Container& container, const ProxyOptions& options) {
  const auto ports = ports_of(container);
  std::string out = fmt::format(
      "admin:\n"
      "  access_log_path: /dev/null\n"
      "  address:\n"
      "    socket_address:\n"
      "      address: 127.0.0.1\n"
      "      port_value: {}\n",
      free_admin_port(ports));
  if (!options.ads_addresses.empty()) {
    out +=
        "dynamic_resources:\n"
        "  ads_config:\n"
        "    api_type: GRPC\n"
        "    grpc_services:\n"
        "    - envoy_grpc:\n"
        "        cluster_name: pilot-ads\n"
        "  cds_config:\n"
        "    ads: {}\n"
        "  lds_config:\n"
        "    ads: {}\n";
  }
  out += fmt::format(
      "layered_runtime:\n"
      "  layers:\n"
      "  - name: static-layer\n"
      "    static_layer:\n"
      "      envoy:\n"
      "        reloadable_features:\n"
      "          new_tcp_connection_pool: false\n"
      "node:\n"
      "  cluster: proxy-cluster\n"
      "  id: sidecar~{}~{}~x\n"
      "static_resources:\n"
      "  clusters:\n",
      container.internal_ip, container.guid);
  std::set<std::uint32_t> with_cluster;
  for (const auto& port : ports) {
    if (with_cluster.insert(port.app_port).second) out += app_cluster(container.internal_ip, port.app_port);
  }
  if (!options.ads_addresses.empty()) out += ads_cluster(options.ads_addresses);
  out += "  listeners:\n";
  for (const auto& port : ports) out += listener(port, options);
  return out + "stats_config:\n  stats_matcher:\n    reject_all: true\n";
}

std::string envoy_certificate(const std::string& name, const net::KeyPair& pair) {
  return fmt::format(
      "resources:\n"
      "- '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n"
      "  name: {}\n"
      "  tls_certificate:\n"
      "    certificate_chain:\n"
      "      inline_string: |\n"
      "{}"
      "    private_key:\n"
      "      inline_string: |\n"
      "{}"
      "version_info: \"0\"\n",
      name, indented(pair.certificate_pem, 8), indented(pair.key_pem, 8));
}

std::string envoy_validation_context(const ProxyOptions& options) {
  std::string out =
      "resources:\n"
      "- '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n"
      "  name: id-validation-context\n"
      "  validation_context:\n";
  if (!options.client_names.empty()) out += "    match_subject_alt_names:\n";
  for (const auto& name : options.client_names) out += "    - exact: " + yaml_text(name) + "\n";
  const auto trusted = trusted_certificates(options);
  out += "    trusted_ca:\n      inline_string:";
  out += trusted.empty() ? std::string(" \"\"\n") : " |\n" + indented(trusted, 8);
  return out + "version_info: \"0\"\n";
}

garden::ProcessSpec proxy_process(const std::string& handle, const ProxyOptions& options) {
  garden::ProcessSpec process;
  process.id = handle + "-envoy";
  if (!options.is_envoy) {
    process.path = fmt::format("{}/proxy", kProxyMount);
    process.args = {kProxyConfigMount};
    return process;
  }
  const auto drain = std::chrono::duration_cast<std::chrono::seconds>(options.drain_timeout).count();
  process.path = "sh";
  process.args = {
      "-c", fmt::format("trap 'kill -9 0' TERM; {}/envoy -c {}/envoy.yaml --drain-time-s {} --log-level critical& "
                        "pid=$!; wait $pid",
                        kProxyMount, kProxyConfigMount, drain)};
  return process;
}

}  // namespace rivera::executor
