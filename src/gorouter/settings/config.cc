#include "gorouter/settings/config.h"

#include <fmt/format.h>

#include "gorouter/settings/yaml_file.h"

namespace rivera::gorouter {
namespace {

constexpr std::size_t kMostHeaderBytes = 1u << 20;

net::PemIdentity read_identity(const YamlFile& file) {
  net::PemIdentity identity;
  file.read("cert_chain", identity.certificate_chain);
  file.read("private_key", identity.private_key);
  return identity;
}

void read_status(const YamlFile& file, StatusConfig& into) {
  file.read("host", into.host);
  file.read_port("port", into.port);
  file.read("user", into.user);
  file.read("pass", into.pass);
  file.read("enable_nontls_health_checks", into.enable_nontls_health_checks);
  const auto tls = file.section("tls");
  tls.read_port("port", into.tls_port);
  tls.read("certificate", into.tls.certificate_chain);
  tls.read("key", into.tls.private_key);
  file.section("routes").read_port("port", into.routes_port);
  const bool has_tls = !into.tls.certificate_chain.empty() && !into.tls.private_key.empty() && into.tls_port != 0;
  if (!into.tls.empty() && !has_tls) file.fail("tls", "a port, a certificate and a key");
  if (!has_tls && !into.enable_nontls_health_checks) {
    file.fail("enable_nontls_health_checks", "true, or a certificate for health checks over TLS");
  }
}

void read_nats(const YamlFile& file, NatsConfig& into) {
  std::vector<std::string> hosts;
  for (const auto& host : file.sections("hosts")) {
    std::string name;
    std::uint16_t port = 4222;
    host.read("hostname", name);
    host.read_port("port", port);
    hosts.push_back(fmt::format("{}:{}", name, port));
  }
  if (!hosts.empty()) into.hosts = std::move(hosts);
  file.read("user", into.user);
  file.read("pass", into.pass);
  file.read("tls_enabled", into.tls_enabled);
  file.read_joined("ca_certs", into.ca_certs);
  into.identity = read_identity(file);
}

void read_logging(const YamlFile& file, Config& config) {
  std::string level = "debug", format, redact = "none";
  file.read("level", level);
  if (level == "warn") level = "error";
  try {
    config.log_level = base::parse_log_level(level);
  } catch (const std::invalid_argument&) {
    file.fail("level", "debug, info, warn, error or fatal");
  }
  file.section("format").read("timestamp", format);
  if (format == "rfc3339") config.log_time_format = base::LogTimeFormat::kRfc3339;
  file.read("redact_query_params", redact);
  if (redact == "all") {
    config.redact_query = QueryRedaction::kAll;
  } else if (redact == "hash") {
    config.redact_query = QueryRedaction::kHash;
  } else if (redact != "none" && !redact.empty()) {
    file.fail("redact_query_params", "none, all or hash");
  }
  file.read("disable_log_forwarded_for", config.disable_log_forwarded_for);
  file.read("disable_log_source_ip", config.disable_log_source_ip);
}

net::TlsVersion read_version(const YamlFile& file, const char* key, net::TlsVersion fallback, bool newer_only) {
  std::string text;
  file.read(key, text);
  if (text.empty()) return fallback;
  if (text == "TLSv1.0" && !newer_only) return net::TlsVersion::kTls10;
  if (text == "TLSv1.1" && !newer_only) return net::TlsVersion::kTls11;
  if (text == "TLSv1.2") return net::TlsVersion::kTls12;
  if (text == "TLSv1.3") return net::TlsVersion::kTls13;
  file.fail(key, newer_only ? "TLSv1.2 or TLSv1.3" : "TLSv1.0, TLSv1.1, TLSv1.2 or TLSv1.3");
}

void read_front_tls(const YamlFile& file, Config& config) {
  file.read("enable_ssl", config.enable_ssl);
  file.read_port("ssl_port", config.ssl_port);
  if (!config.enable_ssl) return;
  auto& tls = config.tls;
  for (const auto& pair : file.sections("tls_pem")) tls.identities.push_back(read_identity(pair));
  if (tls.identities.empty()) file.fail("tls_pem", "at least one certificate, since enable_ssl is true");
  tls.least = read_version(file, "min_tls_version", net::TlsVersion::kTls12, false);
  tls.most = read_version(file, "max_tls_version", net::TlsVersion::kTls12, true);
  file.read("cipher_suites", tls.ciphers);
  if (tls.ciphers.empty()) file.fail("cipher_suites", "at least one suite, since enable_ssl is true");
  std::string validation;
  file.read("client_cert_validation", validation);
  if (validation == "none") {
    tls.client_certificates = net::ClientCertificates::kNone;
  } else if (validation == "request") {
    tls.client_certificates = net::ClientCertificates::kRequest;
  } else if (validation == "require") {
    tls.client_certificates = net::ClientCertificates::kRequire;
  } else {
    file.fail("client_cert_validation", "none, request or require");
  }
  file.read_joined("client_ca_certs", tls.client_ca_pem);
  bool only_ours = false;
  file.read("only_trust_client_ca_certs", only_ours);
  tls.trust_system_authorities = !only_ours;
  if (only_ours && tls.client_ca_pem.empty() && tls.client_certificates != net::ClientCertificates::kNone) {
    file.fail("client_ca_certs", "a certificate, since only_trust_client_ca_certs is true");
  }
}

void read_registry(const YamlFile& file, Config& config) {
  auto& registry = config.registry;
  std::chrono::nanoseconds threshold = registry.stale_threshold;
  file.read("prune_stale_droplets_interval", config.prune_interval);
  file.read("droplet_stale_threshold", threshold);
  file.read("start_response_delay_interval", config.start_response_delay);
  threshold = std::max(threshold, config.start_response_delay);
  registry.stale_threshold = std::chrono::duration_cast<std::chrono::milliseconds>(threshold);
  file.read("suspend_pruning_if_nats_unavailable", config.suspend_pruning_if_nats_unavailable);
  if (config.prune_interval.count() <= 0) file.fail("prune_stale_droplets_interval", "a duration above zero");

  std::vector<std::string> segments;
  file.read("isolation_segments", segments);
  registry.isolation_segments.insert(segments.begin(), segments.end());
  std::string sharding = "all";
  file.read("routing_table_sharding_mode", sharding);
  if (sharding == "shared-and-segments") {
    registry.sharding = routing::Sharding::kSharedAndSegments;
  } else if (sharding == "segments") {
    registry.sharding = routing::Sharding::kSegments;
    if (segments.empty())
      file.fail("isolation_segments", "at least one, since routing_table_sharding_mode is segments");
  } else if (sharding != "all") {
    file.fail("routing_table_sharding_mode", "all, segments or shared-and-segments");
  }

  std::string algorithm = "round-robin", preference = "none";
  file.read("balancing_algorithm", algorithm);
  if (!routing::parse_load_balancing(algorithm, registry.load_balancing)) {
    file.fail("balancing_algorithm", "round-robin or least-connection");
  }
  file.read("balancing_algorithm_az_preference", preference);
  if (preference != "none" && preference != "locally-optimistic") {
    file.fail("balancing_algorithm_az_preference", "none or locally-optimistic");
  }
  config.prefer_zone = preference == "locally-optimistic";
  file.read("empty_pool_response_code_503", registry.empty_pool_503);
  file.read("empty_pool_timeout", registry.empty_pool_timeout);
}

void read_backends(const YamlFile& file, Config& config) {
  file.read("endpoint_timeout", config.endpoint_timeout);
  file.read("endpoint_dial_timeout", config.endpoint_dial_timeout);
  file.read("tls_handshake_timeout", config.tls_handshake_timeout);
  file.read("disable_keep_alives", config.disable_keep_alives);
  file.read("max_idle_conns", config.max_idle_conns);
  file.read("max_idle_conns_per_host", config.max_idle_conns_per_host);
  file.read("skip_ssl_validation", config.skip_ssl_validation);
  file.read_joined("ca_certs", config.backend_ca_pem);
  const auto backends = file.section("backends");
  backends.read("max_conns", config.max_conns);
  backends.read("max_attempts", config.max_attempts);
  config.max_attempts = std::max(config.max_attempts, 1);
  config.backend_identity = read_identity(backends);
}

void read_limits(const YamlFile& file, Config& config) {
  file.read("max_header_bytes", config.max_request_header_bytes);
  file.read("max_request_header_bytes", config.max_request_header_bytes);
  file.read("max_response_header_bytes", config.max_response_header_bytes);
  for (auto* limit : {&config.max_request_header_bytes, &config.max_response_header_bytes}) {
    if (*limit == 0 || *limit > kMostHeaderBytes) *limit = kMostHeaderBytes;
  }
  file.read("max_request_headers", config.max_request_headers);
  file.read("max_response_headers", config.max_response_headers);
  file.read("frontend_idle_timeout", config.frontend_idle_timeout);
  file.read("read_header_timeout", config.read_header_timeout);
  file.read("keep_alive_100_continue_requests", config.keep_alive_100_continue);
}

void read_headers(const YamlFile& file, Config& config) {
  std::string mode = "always_forward";
  file.read("forwarded_client_cert", mode);
  if (mode == "forward") {
    config.forwarded_client_cert = ForwardedClientCert::kForward;
  } else if (mode == "sanitize_set") {
    config.forwarded_client_cert = ForwardedClientCert::kSanitizeSet;
  } else if (mode != "always_forward") {
    file.fail("forwarded_client_cert", "always_forward, forward or sanitize_set");
  }
  file.read("force_forwarded_proto_https", config.force_forwarded_proto_https);
  file.read("sanitize_forwarded_proto", config.sanitize_forwarded_proto);
  file.read("hop_by_hop_headers_to_filter", config.hop_by_hop_headers_to_filter);
  const auto responses = file.section("http_rewrite").section("responses");
  for (const auto& header : responses.sections("add_headers_if_not_present")) {
    std::string name, value;
    header.read("name", name);
    header.read("value", value);
    config.rewrite.add_if_not_present.emplace_back(name, value);
  }
  for (const auto& header : responses.sections("remove_headers")) {
    header.read("name", config.rewrite.remove.emplace_back());
  }
  file.read("trace_key", config.trace_key);
  file.read("extra_headers_to_log", config.extra_headers_to_log);
  file.read("healthcheck_user_agent", config.healthcheck_user_agent);
  file.read("secure_cookies", config.secure_cookies);
  file.read("sticky_session_cookie_names", config.sticky_cookie_names);
  file.read("sticky_sessions_for_auth_negotiate", config.sticky_for_negotiate);
}

}  // namespace

Config load_config(const std::string& path) {
  Config config;
  if (path.empty()) return config;
  const YamlFile file = YamlFile::load(path);
  file.read_port("port", config.port);
  file.read("disable_http", config.disable_http);
  file.read("index", config.index);
  file.read("zone", config.zone);
  read_status(file.section("status"), config.status);
  read_nats(file.section("nats"), config.nats);
  file.read("nats_client_ping_interval", config.nats.ping_interval);
  read_logging(file.section("logging"), config);
  const auto access_log = file.section("access_log");
  access_log.read("file", config.access_log_file);
  access_log.read("enable_streaming", config.access_log_streaming);
  file.read("debug_addr", config.debug_addr);
  file.read("pid_file", config.pid_file);
  read_front_tls(file, config);
  if (config.disable_http && !config.enable_ssl) file.fail("disable_http", "false, since enable_ssl is false");
  read_registry(file, config);
  read_backends(file, config);
  read_limits(file, config);
  read_headers(file, config);
  file.read("drain_wait", config.drain_wait);
  config.drain_timeout = config.endpoint_timeout;
  std::chrono::nanoseconds drain{0};
  file.read("drain_timeout", drain);
  if (drain.count() > 0) config.drain_timeout = drain;
  std::chrono::nanoseconds healthy{0};
  file.read("load_balancer_healthy_threshold", healthy);
  if (healthy.count() < 0) file.fail("load_balancer_healthy_threshold", "a duration from zero on");
  return config;
}

}  // namespace rivera::gorouter
