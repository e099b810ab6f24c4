// The table of the router's keys (docs/spec/routing.md §3.26).
#include "gorouter/settings/config.h"

namespace rivera::gorouter {
namespace {

using std::chrono::seconds;

constexpr char kNoMetron[] = "neither logs nor metrics go to Loggregator";
constexpr char kNoSyslog[] = "the access log is not sent to syslog";
constexpr char kNoRouteServices[] = "requests for routes with a route service are answered with 502";
constexpr char kNoRoutingApi[] = "routes come from NATS only";
constexpr char kNoPrometheus[] = "metrics are served under /metrics of debug_addr only";
constexpr std::int64_t kMostCount = 1 << 30;

base::ConfigKeys identity_keys() { return {base::text_key("cert_chain"), base::text_key("private_key")}; }

base::ConfigKeys listener_keys() {
  using namespace base;
  return {
      port_key("port", 8081),
      integer_key("index").between(0, kMostCount),
      text_key("zone"),
      integer_key("go_max_procs", -1).unused("requests are served on one thread, other work on a few"),
      text_key("debug_addr"),
      text_key("pid_file"),
      flag_key("enable_proxy").refused("the PROXY protocol is not understood: every request would be refused"),
      flag_key("enable_ssl"),
      port_key("ssl_port", 443),
      flag_key("disable_http"),
      flag_key("enable_http2", true).unused("HTTP/2 is not offered"),
      flag_key("enable_http1_concurrent_read_write").unused("requests and responses are always relayed concurrently"),
      sections_key("tls_pem", identity_keys()),
      texts_key("ca_certs"),
      texts_key("client_ca_certs"),
      flag_key("only_trust_client_ca_certs"),
      text_key("client_cert_validation"),
      text_key("cipher_suites"),
      text_key("min_tls_version").one_of({"TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"}).with_zero_as_default(),
      text_key("max_tls_version").one_of({"TLSv1.2", "TLSv1.3"}).with_zero_as_default(),
      flag_key("enable_verify_client_certificate_metadata")
          .refused("rules for client certificates are not checked: any certificate would be accepted"),
      sections_key("verify_client_certificate_metadata",
                   {text_key("issuer_in_chain").unused("rules for client certificates are not checked"),
                    sections_key("valid_cert_subjects", {}).unused("rules for client certificates are not checked")}),
      flag_key("skip_ssl_validation").not_built("certificates of backends are always verified"),
      duration_key("frontend_idle_timeout", seconds(900)).not_negative().with_zero_as_default(),
      duration_key("read_header_timeout").not_negative(),
      net::client_limits_key(),
  };
}

base::ConfigKeys status_keys() {
  using namespace base;
  return {section_key("status", {text_key("host", "0.0.0.0"), port_key("port", 8080), text_key("user"),
                                 text_key("pass"), flag_key("enable_nontls_health_checks", true),
                                 flag_key("enable_deprecated_varz_healthz_endpoints")
                                     .unused("/varz and /healthz are always served on the status port"),
                                 section_key("tls", {port_key("port", 8443), text_key("certificate"), text_key("key")}),
                                 section_key("routes", {port_key("port", 8082)})})};
}

base::ConfigKeys nats_keys() {
  using namespace base;
  return {section_key("nats",
                      joined_keys({{sections_key("hosts", {text_key("hostname"), port_key("port", 4222)}),
                                    text_key("user"), text_key("pass"), flag_key("tls_enabled"), texts_key("ca_certs")},
                                   identity_keys()})),
          duration_key("nats_client_ping_interval", seconds(20)).positive(),
          duration_key("publish_start_message_interval", seconds(30)).unused("upstream does not use it either"),
          duration_key("publish_active_apps_interval").not_built("router.active_apps is not published")};
}

base::ConfigKeys logging_keys() {
  using namespace base;
  return {
      section_key(
          "logging",
          {text_key("level", "debug").one_of({"debug", "info", "warn", "error", "fatal"}),
           text_key("syslog").not_built(kNoSyslog), text_key("syslog_addr", "127.0.0.1:514").unused(kNoSyslog),
           text_key("syslog_network", "udp").unused(kNoSyslog), flag_key("syslog_truncate").unused(kNoSyslog),
           flag_key("loggregator_enabled").not_built(kNoMetron),
           text_key("metron_address", "localhost:3457").unused(kNoMetron),
           section_key("format",
                       {text_key("timestamp", "unix-epoch").one_of({"unix-epoch", "rfc3339"}).with_zero_as_default()}),
           text_key("redact_query_params", "none").one_of({"none", "all", "hash"}).with_zero_as_default(),
           flag_key("disable_log_forwarded_for"), flag_key("disable_log_source_ip"),
           texts_key("extra_access_log_fields").not_built("the access log has no such fields")}),
      section_key("access_log", {text_key("file"), flag_key("enable_streaming")}),
      texts_key("extra_headers_to_log"),
      section_key("prometheus",
                  {flag_key("enabled").not_built(kNoPrometheus), port_key("port").unused(kNoPrometheus),
                   text_key("cert_path").unused(kNoPrometheus), text_key("key_path").unused(kNoPrometheus),
                   text_key("ca_path").unused(kNoPrometheus), section_key("meters", {}).unused(kNoPrometheus)}),
      section_key("tracing", {flag_key("enable_zipkin").not_built("no trace headers are added"),
                              flag_key("enable_w3c").not_built("no trace headers are added"),
                              text_key("w3c_tenant_id").unused("no trace headers are added")}),
      flag_key("per_request_metrics_reporting", true).unused(kNoMetron),
      flag_key("enable_envelope_v1_metrics", true).unused(kNoMetron),
      flag_key("send_http_start_stop_server_event", true).unused(kNoMetron),
      flag_key("send_http_start_stop_client_event", true).unused(kNoMetron),
      flag_key("per_app_prometheus_http_metrics_reporting").not_built(kNoPrometheus),
      duration_key("route_latency_metric_muzzle_duration", seconds(20)).unused(kNoMetron)};
}

base::ConfigKeys registry_keys() {
  using namespace base;
  return {
      texts_key("isolation_segments"),
      text_key("routing_table_sharding_mode", "all").one_of({"all", "segments", "shared-and-segments"}),
      duration_key("prune_stale_droplets_interval", seconds(30)).positive(),
      duration_key("droplet_stale_threshold", seconds(120)).not_negative(),
      duration_key("start_response_delay_interval", seconds(5)).not_negative(),
      flag_key("suspend_pruning_if_nats_unavailable"),
      text_key("balancing_algorithm", "round-robin").one_of({"round-robin", "least-connection"}),
      text_key("balancing_algorithm_az_preference", "none").one_of({"none", "locally-optimistic"}),
      flag_key("empty_pool_response_code_503"),
      duration_key("empty_pool_timeout").not_negative(),
      section_key("routing_api",
                  {text_key("uri").not_built(kNoRoutingApi), port_key("port").unused(kNoRoutingApi),
                   flag_key("auth_disabled").unused(kNoRoutingApi), texts_key("ca_certs").unused(kNoRoutingApi),
                   text_key("cert_chain").unused(kNoRoutingApi), text_key("private_key").unused(kNoRoutingApi)}),
      section_key("oauth", {}).unused(kNoRoutingApi),
      integer_key("token_fetcher_max_retries", 3).unused(kNoRoutingApi),
      duration_key("token_fetcher_retry_interval", seconds(5)).unused(kNoRoutingApi),
      integer_key("token_fetcher_expiration_buffer_time", 30).unused(kNoRoutingApi),
  };
}

base::ConfigKeys backend_keys() {
  using namespace base;
  return {
      duration_key("endpoint_timeout", seconds(60)).not_negative(),
      duration_key("endpoint_dial_timeout", seconds(5)).not_negative(),
      duration_key("tls_handshake_timeout", seconds(10)).not_negative(),
      duration_key("websocket_dial_timeout", seconds(5)).not_built("endpoint_dial_timeout counts for upgrades too"),
      duration_key("endpoint_keep_alive_probe_interval", seconds(1)).not_built("the system's interval applies"),
      flag_key("disable_keep_alives", true),
      integer_key("max_idle_conns", 100).between(0, kMostCount),
      integer_key("max_idle_conns_per_host", 2).between(0, kMostCount),
      section_key("backends", joined_keys({{integer_key("max_conns").between(0, kMostCount),
                                            integer_key("max_attempts").between(0, kMostCount)},
                                           identity_keys()})),
      section_key("route_services", joined_keys({{integer_key("max_attempts").unused(kNoRouteServices),
                                                  flag_key("strict_signature_validation").unused(kNoRouteServices)},
                                                 {text_key("cert_chain").unused(kNoRouteServices),
                                                  text_key("private_key").unused(kNoRouteServices)}})),
      text_key("route_services_secret").not_built(kNoRouteServices),
      text_key("route_services_secret_decrypt_only").not_built(kNoRouteServices),
      duration_key("route_services_timeout", seconds(60)).unused(kNoRouteServices),
      flag_key("route_services_recommend_https").unused(kNoRouteServices),
      flag_key("route_services_hairpinning").unused(kNoRouteServices),
      texts_key("route_services_hairpinning_allowlist").unused(kNoRouteServices),
      port_key("route_services_internal_server_port", 7070).unused(kNoRouteServices),
      integer_key("max_header_bytes").between(0, kMostCount),
      integer_key("max_request_header_bytes").between(0, kMostCount),
      integer_key("max_response_header_bytes").between(0, kMostCount),
      integer_key("max_request_headers").between(0, kMostCount),
      integer_key("max_response_headers").between(0, kMostCount),
      flag_key("keep_alive_100_continue_requests"),
      duration_key("drain_wait").not_negative(),
      duration_key("drain_timeout").not_negative(),
      duration_key("load_balancer_healthy_threshold").not_negative().unused("upstream's start script waits that long"),
  };
}

base::ConfigKeys header_keys() {
  using namespace base;
  const auto named = [] { return text_key("name"); };
  return {
      text_key("forwarded_client_cert", "always_forward").one_of({"always_forward", "forward", "sanitize_set"}),
      flag_key("force_forwarded_proto_https"),
      flag_key("sanitize_forwarded_proto"),
      texts_key("hop_by_hop_headers_to_filter"),
      section_key("http_rewrite",
                  {section_key("responses", {sections_key("add_headers_if_not_present", {named(), text_key("value")}),
                                             sections_key("remove_headers", {named()})})}),
      text_key("html_error_template_file").not_built("error pages are plain text"),
      text_key("trace_key"),
      text_key("healthcheck_user_agent", "HTTP-Monitor/1.1"),
      duration_key("healthcheck_poll_interval", seconds(10)).unused("upstream does not use it either"),
      duration_key("healthcheck_timeout", seconds(5)).unused("upstream does not use it either"),
      flag_key("secure_cookies"),
      texts_key("sticky_session_cookie_names", {"JSESSIONID"}),
      flag_key("sticky_sessions_for_auth_negotiate"),
  };
}

}  // namespace

const base::ConfigKeys& config_keys() {
  static const base::ConfigKeys keys = base::joined_keys(
      {listener_keys(), status_keys(), nats_keys(), logging_keys(), registry_keys(), backend_keys(), header_keys()});
  return keys;
}

}  // namespace rivera::gorouter
