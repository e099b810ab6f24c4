#include "gorouter/settings/config.h"

#include <algorithm>

#include <fmt/format.h>

#include "gorouter/settings/yaml_file.h"

namespace rivera::gorouter {
namespace {

using base::ConfigFile;

constexpr std::int64_t kMostHeaderBytes = 1 << 20;

net::PemIdentity read_identity(const ConfigFile& file) { return {file.text("cert_chain"), file.text("private_key")}; }

// Several certificates in PEM as one text.
std::string read_joined(const ConfigFile& file, std::string_view key) {
  std::string out;
  for (const std::string& part : file.texts(key)) {
    out += part;
    if (!out.ends_with('\n')) out += '\n';
  }
  return out;
}

void read_status(const ConfigFile& file, StatusConfig& into) {
  into.host = file.text("host");
  into.port = file.count<std::uint16_t>("port");
  into.user = file.text("user");
  into.pass = file.text("pass");
  into.enable_nontls_health_checks = file.flag("enable_nontls_health_checks");
  const auto tls = file.section("tls");
  into.tls_port = tls.count<std::uint16_t>("port");
  into.tls = {tls.text("certificate"), tls.text("key")};
  into.routes_port = file.section("routes").count<std::uint16_t>("port");
  const bool has_tls = !into.tls.certificate_chain.empty() && !into.tls.private_key.empty() && into.tls_port != 0;
  if (!into.tls.empty() && !has_tls) file.fail("tls", "a port, a certificate and a key");
  if (!has_tls && !into.enable_nontls_health_checks) {
    file.fail("enable_nontls_health_checks", "true, or a certificate for health checks over TLS");
  }
}

void read_nats(const ConfigFile& file, NatsConfig& into) {
  const ConfigFile nats = file.section("nats");
  if (nats.has("hosts")) into.hosts.clear();  // also by an empty list
  for (const auto& host : nats.sections("hosts")) {
    into.hosts.push_back(fmt::format("{}:{}", host.text("hostname"), host.integer("port")));
  }
  into.user = nats.text("user");
  into.pass = nats.text("pass");
  into.tls_enabled = nats.flag("tls_enabled");
  into.ca_certs = read_joined(nats, "ca_certs");
  into.identity = read_identity(nats);
  into.ping_interval = file.duration("nats_client_ping_interval");
  if (into.hosts.empty()) nats.fail("hosts", "at least one host of NATS");
}

void read_logging(const ConfigFile& file, Config& config) {
  const std::string level = file.text("level");
  config.log_level = base::parse_log_level(level == "warn" ? "error" : level);
  config.log_time_format = file.section("format").text("timestamp") == "rfc3339" ? base::LogTimeFormat::kRfc3339
                                                                                 : base::LogTimeFormat::kUnixEpoch;
  const std::string redact = file.text("redact_query_params");
  if (redact == "all") config.redact_query = QueryRedaction::kAll;
  if (redact == "hash") config.redact_query = QueryRedaction::kHash;
  config.disable_log_forwarded_for = file.flag("disable_log_forwarded_for");
  config.disable_log_source_ip = file.flag("disable_log_source_ip");
}

net::TlsVersion read_version(const ConfigFile& file, std::string_view key) {
  const std::string text = file.text(key);
  if (text == "TLSv1.0") return net::TlsVersion::kTls10;
  if (text == "TLSv1.1") return net::TlsVersion::kTls11;
  if (text == "TLSv1.3") return net::TlsVersion::kTls13;
  return net::TlsVersion::kTls12;
}

net::ClientCertificates read_client_certificates(const ConfigFile& file) {
  const std::string mode = file.text("client_cert_validation");
  if (mode == "none") return net::ClientCertificates::kNone;
  if (mode == "request") return net::ClientCertificates::kRequest;
  if (mode == "require") return net::ClientCertificates::kRequire;
  file.fail("client_cert_validation", "none, request or require");
}

void read_front_tls(const ConfigFile& file, Config& config) {
  config.enable_ssl = file.flag("enable_ssl");
  config.ssl_port = file.count<std::uint16_t>("ssl_port");
  if (!config.enable_ssl) return;
  auto& tls = config.tls;
  for (const auto& pair : file.sections("tls_pem")) tls.identities.push_back(read_identity(pair));
  if (tls.identities.empty()) file.fail("tls_pem", "at least one certificate, since enable_ssl is true");
  tls.least = read_version(file, "min_tls_version");
  tls.most = read_version(file, "max_tls_version");
  tls.ciphers = file.text("cipher_suites");
  if (tls.ciphers.empty()) file.fail("cipher_suites", "at least one suite, since enable_ssl is true");
  tls.client_certificates = read_client_certificates(file);
  tls.client_ca_pem = read_joined(file, "client_ca_certs");
  const bool only_ours = file.flag("only_trust_client_ca_certs");
  tls.trust_system_authorities = !only_ours;
  if (only_ours && tls.client_ca_pem.empty() && tls.client_certificates != net::ClientCertificates::kNone) {
    file.fail("client_ca_certs", "a certificate, since only_trust_client_ca_certs is true");
  }
}

void read_registry(const ConfigFile& file, Config& config) {
  auto& registry = config.registry;
  config.prune_interval = file.duration("prune_stale_droplets_interval");
  config.start_response_delay = file.duration("start_response_delay_interval");
  registry.stale_threshold = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::max(file.duration("droplet_stale_threshold"), config.start_response_delay));
  config.suspend_pruning_if_nats_unavailable = file.flag("suspend_pruning_if_nats_unavailable");

  const std::vector<std::string> segments = file.texts("isolation_segments");
  registry.isolation_segments.insert(segments.begin(), segments.end());
  const std::string sharding = file.text("routing_table_sharding_mode");
  if (sharding == "shared-and-segments") registry.sharding = routing::Sharding::kSharedAndSegments;
  if (sharding == "segments") registry.sharding = routing::Sharding::kSegments;
  if (sharding == "segments" && segments.empty()) {
    file.fail("isolation_segments", "at least one, since routing_table_sharding_mode is segments");
  }
  routing::parse_load_balancing(file.text("balancing_algorithm"), registry.load_balancing);
  config.prefer_zone = file.text("balancing_algorithm_az_preference") == "locally-optimistic";
  registry.empty_pool_503 = file.flag("empty_pool_response_code_503");
  registry.empty_pool_timeout = file.duration("empty_pool_timeout");
}

void read_backends(const ConfigFile& file, Config& config) {
  config.endpoint_timeout = file.duration("endpoint_timeout");
  config.endpoint_dial_timeout = file.duration("endpoint_dial_timeout");
  config.tls_handshake_timeout = file.duration("tls_handshake_timeout");
  config.disable_keep_alives = file.flag("disable_keep_alives");
  config.max_idle_conns = file.count<std::size_t>("max_idle_conns");
  config.max_idle_conns_per_host = file.count<std::size_t>("max_idle_conns_per_host");
  config.backend_ca_pem = read_joined(file, "ca_certs");
  const auto backends = file.section("backends");
  config.max_conns = backends.count<int>("max_conns");
  config.max_attempts = std::max(backends.count<int>("max_attempts"), 1);
  config.backend_identity = read_identity(backends);
}

// 0 and what is above the most is the most. `older` is the key's name of 2022, or "".
std::size_t read_header_bytes(const ConfigFile& file, std::string_view key, std::string_view older) {
  std::int64_t bytes = file.integer(key);
  if (!older.empty() && !file.has(key)) bytes = file.integer(older);
  return static_cast<std::size_t>(bytes == 0 ? kMostHeaderBytes : std::min(bytes, kMostHeaderBytes));
}

void read_limits(const ConfigFile& file, Config& config) {
  config.max_request_header_bytes = read_header_bytes(file, "max_request_header_bytes", "max_header_bytes");
  config.max_response_header_bytes = read_header_bytes(file, "max_response_header_bytes", "");
  config.max_request_headers = file.count<std::size_t>("max_request_headers");
  config.max_response_headers = file.count<std::size_t>("max_response_headers");
  config.frontend_idle_timeout = file.duration("frontend_idle_timeout");
  config.read_header_timeout = file.duration("read_header_timeout");
  config.client_limits = net::read_client_limits(file);
  config.keep_alive_100_continue = file.flag("keep_alive_100_continue_requests");
}

void read_headers(const ConfigFile& file, Config& config) {
  const std::string mode = file.text("forwarded_client_cert");
  if (mode == "forward") config.forwarded_client_cert = ForwardedClientCert::kForward;
  if (mode == "sanitize_set") config.forwarded_client_cert = ForwardedClientCert::kSanitizeSet;
  config.force_forwarded_proto_https = file.flag("force_forwarded_proto_https");
  config.sanitize_forwarded_proto = file.flag("sanitize_forwarded_proto");
  config.hop_by_hop_headers_to_filter = file.texts("hop_by_hop_headers_to_filter");
  const auto responses = file.section("http_rewrite").section("responses");
  for (const auto& header : responses.sections("add_headers_if_not_present")) {
    config.rewrite.add_if_not_present.emplace_back(header.text("name"), header.text("value"));
  }
  for (const auto& header : responses.sections("remove_headers")) {
    config.rewrite.remove.push_back(header.text("name"));
  }
  config.trace_key = file.text("trace_key");
  config.extra_headers_to_log = file.texts("extra_headers_to_log");
  config.healthcheck_user_agent = file.text("healthcheck_user_agent");
  config.secure_cookies = file.flag("secure_cookies");
  config.sticky_cookie_names = file.texts("sticky_session_cookie_names");
  config.sticky_for_negotiate = file.flag("sticky_sessions_for_auth_negotiate");
}

}  // namespace

Config load_config(const std::string& path) {
  Config config;
  if (path.empty()) return config;
  const ConfigFile file(path, read_yaml_file(path), config_keys(), base::ConfigSource::kYaml);
  config.port = file.count<std::uint16_t>("port");
  config.disable_http = file.flag("disable_http");
  config.index = file.count<int>("index");
  config.zone = file.text("zone");
  read_status(file.section("status"), config.status);
  read_nats(file, config.nats);
  read_logging(file.section("logging"), config);
  const auto access_log = file.section("access_log");
  config.access_log_file = access_log.text("file");
  config.access_log_streaming = access_log.flag("enable_streaming");
  config.debug_addr = file.text("debug_addr");
  config.pid_file = file.text("pid_file");
  read_front_tls(file, config);
  if (config.disable_http && !config.enable_ssl) file.fail("disable_http", "false, since enable_ssl is false");
  read_registry(file, config);
  read_backends(file, config);
  read_limits(file, config);
  read_headers(file, config);
  config.drain_wait = file.duration("drain_wait");
  const auto drain = file.duration("drain_timeout");
  config.drain_timeout = drain.count() > 0 ? drain : config.endpoint_timeout;
  config.notices = file.notices();
  return config;
}

}  // namespace rivera::gorouter
