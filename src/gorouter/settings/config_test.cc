#include "gorouter/settings/config.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/config_walk.h"
#include "base/testing/fields.h"

namespace rivera::gorouter {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

// Every member except the notices.
std::string read_as(const Config& c) {
  return base::testing::fields(
      c.port, c.disable_http, c.enable_ssl, c.ssl_port, c.tls, c.index, c.zone, c.status, c.nats, c.log_level,
      c.log_time_format, c.redact_query, c.disable_log_forwarded_for, c.disable_log_source_ip, c.access_log_file,
      c.access_log_streaming, c.extra_headers_to_log, c.debug_addr, c.pid_file, c.registry, c.prune_interval,
      c.start_response_delay, c.suspend_pruning_if_nats_unavailable, c.prefer_zone, c.endpoint_timeout,
      c.endpoint_dial_timeout, c.tls_handshake_timeout, c.frontend_idle_timeout, c.read_header_timeout, c.client_limits,
      c.max_conns, c.max_attempts, c.backend_identity, c.backend_ca_pem, c.disable_keep_alives, c.max_idle_conns,
      c.max_idle_conns_per_host, c.max_request_header_bytes, c.max_response_header_bytes, c.max_request_headers,
      c.max_response_headers, c.keep_alive_100_continue, c.forwarded_client_cert, c.force_forwarded_proto_https,
      c.sanitize_forwarded_proto, c.hop_by_hop_headers_to_filter, c.rewrite, c.trace_key, c.healthcheck_user_agent,
      c.secure_cookies, c.sticky_cookie_names, c.sticky_for_negotiate, c.drain_wait, c.drain_timeout);
}

class RouterConfig : public ::testing::Test {
 protected:
  Config load(const std::string& yaml) {
    const auto path = (directory_.path() / "gorouter.yml").string();
    base::write_file_atomically(path, yaml);
    return load_config(path);
  }
  std::string failure(const std::string& yaml) {
    try {
      load(yaml);
    } catch (const base::ConfigError& e) {
      return e.what();
    }
    return "no failure";
  }

 private:
  base::TemporaryDirectory directory_;
};

TEST_F(RouterConfig, EachKeyDoesWhatItsTableSays) {
  const json::object tls = {{"enable_ssl", "true"},
                            {"tls_pem", json::array{json::object{{"cert_chain", "c"}, {"private_key", "k"}}}},
                            {"cipher_suites", "ECDHE-RSA-AES128-GCM-SHA256"},
                            {"client_cert_validation", "none"}};
  json::object without_tls = tls;
  without_tls.erase("enable_ssl");
  const json::object health = {{"status", {{"tls", {{"certificate", "c"}, {"key", "k"}}}}}};
  base::testing::ConfigWalk walk;
  walk.keys = config_keys();
  walk.source = base::ConfigSource::kYaml;
  walk.load = [this](const json::object& values) {
    const Config config = load(json::serialize(values));  // JSON is a part of YAML
    return base::testing::LoadedConfig{read_as(config), config.notices};
  };
  walk.samples = {{"client_cert_validation", "request"}, {"max_tls_version", "TLSv1.3"}};
  for (const char* key : {"disable_http", "tls_pem[].cert_chain", "tls_pem[].private_key", "client_ca_certs",
                          "only_trust_client_ca_certs", "client_cert_validation", "cipher_suites", "min_tls_version",
                          "max_tls_version"}) {
    walk.contexts[key] = tls;
  }
  walk.contexts["enable_ssl"] = without_tls;
  for (const char* key : {"status.tls.certificate", "status.tls.key", "status.enable_nontls_health_checks"}) {
    walk.contexts[key] = health;
  }
  walk.contexts["routing_table_sharding_mode"] = {{"isolation_segments", json::array{"segment"}}};
  EXPECT_THAT(base::testing::walk_config(walk), ::testing::IsEmpty());
}

TEST_F(RouterConfig, KnowsEveryKeyOfTheSpecification) {
  auto named = base::testing::keys_in_specification("routing.md", "### 3.26 ");
  EXPECT_GT(named.size(), 100u);
  for (std::string& name : named) {
    if (const auto dots = name.find("…"); dots != std::string::npos) name = name.substr(0, dots) + "*";
  }
  EXPECT_THAT(base::testing::keys_missing(named, config_keys()), ::testing::IsEmpty());
}

TEST_F(RouterConfig, RefusesRulesForClientsThatItDoesNotCheck) {
  EXPECT_THAT(failure("enable_verify_client_certificate_metadata: true"),
              HasSubstr("enable_verify_client_certificate_metadata"));
  EXPECT_THAT(failure("enable_proxy: true"), HasSubstr("enable_proxy"));
}

TEST_F(RouterConfig, ReadsScalarsAsYamlWritesThem) {
  const Config config = load("port: 81\nzone: 7\nenable_http2: yes\nstatus: {pass: 1234, user: ~}\nca_certs: text\n");
  EXPECT_EQ(config.port, 81);
  EXPECT_EQ(config.zone, "7");
  EXPECT_EQ(config.status.pass, "1234");
  EXPECT_EQ(config.status.user, "");
  EXPECT_EQ(config.backend_ca_pem, "text\n");
}

TEST_F(RouterConfig, NullEmptiesAListAndNothingElse) {
  EXPECT_TRUE(load("sticky_session_cookie_names: null\nport: null").sticky_cookie_names.empty());
  EXPECT_EQ(load("port: null").port, 8081);
  EXPECT_EQ(load("nats: null").nats.hosts, std::vector<std::string>{"localhost:4222"});
  EXPECT_THAT(failure("nats: {hosts: null}"), HasSubstr("nats.hosts"));
}

TEST_F(RouterConfig, SaysWhatIsWrongWithAFile) {
  EXPECT_THAT(failure("[1]"), HasSubstr("expected a YAML mapping"));
  EXPECT_THAT(failure("a: b: c"), HasSubstr("not valid YAML"));
  EXPECT_THAT(failure("port: 70000"), HasSubstr("port: expected a whole number from 0 to 65535"));
  EXPECT_THAT(failure("endpoint_timeout: soon"), HasSubstr("endpoint_timeout: expected a duration"));
  EXPECT_NO_THROW(load(""));
}

}  // namespace
}  // namespace rivera::gorouter
