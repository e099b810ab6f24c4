// What the cell gives to Envoy, compared with recordings of upstream (tests/golden/cell.jsonl).
#include "executor/identity/proxy_config.h"

#include <fstream>
#include <regex>

#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/places.h"

namespace rivera::executor {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The records that have files.
std::vector<json::object> recorded_proxies() {
  std::vector<json::object> found;
  std::ifstream records(base::source_dir() + "/tests/golden/cell.jsonl");
  for (std::string line; std::getline(records, line);) {
    auto record = json::parse(line).as_object();
    if (record.at("kind") == "container_proxy" && record.contains("files")) found.push_back(std::move(record));
  }
  return found;
}

std::string text_of(const json::object& object, const char* key, const char* otherwise = "") {
  const auto* found = object.if_contains(key);
  return found ? std::string(found->as_string()) : otherwise;
}

std::string recorded_file(const json::object& record, const std::string& name) {
  for (const auto& file : record.at("files").as_array()) {
    if (file.at("name").as_string() == name && file.at("dir") == "container_proxy_config_path") {
      return std::string(file.at("content").as_string());
    }
  }
  throw std::runtime_error("no file " + name);
}

const std::string& a_certificate() {
  static const std::string pem =
      net::CertificateAuthority::make("trusted", std::chrono::hours(1)).pair().certificate_pem;
  return pem;
}

// The recordings have placeholders where certificates were.
std::string replace_all(std::string text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

ProxyOptions options_of(const json::object& config) {
  ProxyOptions options;
  options.enabled = true;
  options.is_envoy = true;
  const auto flag = [&config](const char* key) { return config.contains(key) && config.at(key).as_bool(); };
  options.requires_client_certificates = flag("container_proxy_require_and_verify_client_certs");
  options.http2 = flag("proxy_enable_http2");
  const auto texts = [&config](const char* key) {
    return config.contains(key) ? json::value_to<std::vector<std::string>>(config.at(key)) : std::vector<std::string>();
  };
  options.client_names = texts("container_proxy_verify_subject_alt_name");
  options.ads_addresses = texts("container_proxy_ads_addresses");
  for (std::size_t i = 0; i < texts("container_proxy_trusted_ca_certs").size(); ++i) {
    options.trusted_ca_certificates.push_back("# some text\n" + a_certificate());
  }
  const auto drain = text_of(config, "envoy_drain_timeout", "0s");
  options.drain_timeout = std::chrono::seconds(drain == "15m" || drain == "900s" ? 900 : 0);
  return options;
}

Container container_of(const json::object& record) {
  Container container;
  container.guid = "<instance_guid>";
  container.internal_ip = "<container_ip>";
  container.run_info.enable_container_proxy = true;
  const auto* ports = record.at("desired_lrp").as_object().if_contains("ports");
  if (ports) container.run_info.ports = json::value_to<std::vector<std::uint32_t>>(*ports);
  container.ports = port_mappings(container.run_info.ports, proxy_ports(container.run_info.ports), {});
  return container;
}

// In the form of v2.80, which names the files of certificates without a directory to watch (docs/spec/cell.md §9).
std::string as_v2_80(const std::string& yaml) {
  static const std::regex source("path_config_source:\n +(path: [^\n]*)\n +watched_directory:\n +path: [^\n]*\n");
  return std::regex_replace(yaml, source, "$1\n");
}

// The recorder took some ports of the administration for ports of the host.
std::string without_admin_port(const std::string& yaml) {
  static const std::regex port("(address: 127.0.0.1\n      port_value: )[^\n]*");
  return std::regex_replace(yaml, port, "$1X");
}

std::string sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  std::string sorted;
  for (const auto& line : lines) sorted += line + "\n";
  return sorted;
}

TEST(ProxyConfig, IsTheRecordedBootstrap) {
  int compared = 0;
  for (const auto& record : recorded_proxies()) {
    const auto name = text_of(record, "name");
    const auto options = options_of(record.at("rep_config").as_object());
    const auto container = container_of(record);
    if (container.ports.empty()) continue;
    const auto ours = without_admin_port(as_v2_80(envoy_bootstrap(container, options)));
    const auto recorded = without_admin_port(recorded_file(record, "envoy.yaml"));
    // Upstream puts the clusters in any order.
    const bool is_in_order = distinct_ports(container.run_info.ports).size() == 1;
    EXPECT_EQ(is_in_order ? ours : sorted_lines(ours), is_in_order ? recorded : sorted_lines(recorded)) << name;
    ++compared;
  }
  EXPECT_GE(compared, 12);
}

TEST(ProxyConfig, ServesItsAdministrationOnTheFirstFreePort) {
  Container container;
  container.ports = port_mappings({61001, 7000, 8080}, proxy_ports({61001, 7000, 8080}), {});
  EXPECT_THAT(envoy_bootstrap(container, {}), HasSubstr("address: 127.0.0.1\n      port_value: 61005\n"));
}

TEST(ProxyConfig, HasTheRecordedSecrets) {
  const net::KeyPair pair{
      "-----BEGIN CERTIFICATE-----\n<base64 of the instance certificate>\n-----END CERTIFICATE-----\n"
      "-----BEGIN CERTIFICATE-----\n<base64 of the instance identity CA>\n-----END CERTIFICATE-----\n",
      "-----BEGIN RSA PRIVATE KEY-----\n<base64 of the private key>\n-----END RSA PRIVATE KEY-----\n"};
  const auto body = a_certificate().substr(28, a_certificate().find("-----END") - 28);
  std::string indented_body;
  std::istringstream lines(body);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) indented_body += (indented_body.empty() ? "" : "\n        ") + line;
  }
  for (const auto& record : recorded_proxies()) {
    const auto name = text_of(record, "name");
    EXPECT_EQ(envoy_certificate("id-cert-and-key", pair), recorded_file(record, "sds-id-cert-and-key.yaml")) << name;
    EXPECT_EQ(envoy_certificate("c2c-cert-and-key", pair), recorded_file(record, "sds-c2c-cert-and-key.yaml")) << name;
    auto expected = recorded_file(record, "sds-id-validation-context.yaml");
    for (const char* ca : {"<base64 of the trusted CA 1>", "<base64 of the trusted CA 2>"}) {
      expected = replace_all(std::move(expected), ca, indented_body);
    }
    EXPECT_EQ(envoy_validation_context(options_of(record.at("rep_config").as_object())), expected) << name;
  }
}

TEST(ProxyConfig, HasTheRecordedCommandLine) {
  for (const auto& record : recorded_proxies()) {
    const auto process = proxy_process("<instance_guid>", options_of(record.at("rep_config").as_object()));
    bool found = false;
    for (const auto& recorded : record.at("garden_processes").as_array()) {
      if (text_of(recorded.as_object(), "id") != process.id) continue;
      found = true;
      EXPECT_EQ(std::string(recorded.at("path").as_string()), process.path);
      EXPECT_EQ(json::value_to<std::vector<std::string>>(recorded.at("args")), process.args);
    }
    EXPECT_TRUE(found) << text_of(record, "name");
  }
}

TEST(ProxyConfig, MapsTheRecordedPorts) {
  for (const auto& record : recorded_proxies()) {
    const auto& config = record.at("rep_config").as_object();
    auto container = container_of(record);
    const auto& recorded = record.at("actual_lrp").at("ports").as_array();
    ASSERT_EQ(container.ports.size(), recorded.size()) << text_of(record, "name");
    for (std::size_t i = 0; i < recorded.size(); ++i) {
      const auto number = [&](const char* key) { return recorded[i].at(key).to_number<std::uint32_t>(); };
      EXPECT_EQ(number("container_port"), container.ports[i].container_port);
      EXPECT_EQ(number("container_tls_proxy_port"), container.ports[i].container_tls_proxy_port);
    }
    ContainerSpecOptions options;
    options.container_proxy = true;
    options.unproxied_port_mappings = config.at("enable_unproxied_port_mappings").as_bool();
    const auto spec = container_spec(container, options, {}, {}, 0);
    std::vector<std::uint32_t> mapped;
    for (const auto& port : spec.netin) mapped.push_back(port.container_port);
    std::vector<std::uint32_t> wanted;
    const auto* netin = record.at("garden_create").as_object().if_contains("netin");
    for (const auto& port : netin ? netin->as_array() : json::array()) {
      wanted.push_back(port.at("container_port").to_number<std::uint32_t>());
    }
    EXPECT_EQ(mapped, wanted) << text_of(record, "name");
  }
}

TEST(ProxyConfig, RefusesWhatUpstreamRefusesWithItsWords) {
  ProxyOptions options;
  options.ads_addresses = {"nohost"};
  EXPECT_THROW(
      {
        try {
          envoy_bootstrap({}, options);
        } catch (const std::runtime_error& e) {
          EXPECT_STREQ(e.what(), "ads server address is invalid: nohost");
          throw;
        }
      },
      std::runtime_error);
  options.trusted_ca_certificates = {"", "no certificate"};
  EXPECT_THROW(envoy_validation_context(options), std::runtime_error);
  EXPECT_THROW(proxy_ports({61443}), std::invalid_argument);
}

TEST(ProxyConfig, ConfiguresOurOwnProxyTheSame) {
  Container container;
  container.internal_ip = "10.254.0.2";
  container.ports = port_mappings({8080, 5000}, proxy_ports({8080, 5000}), {});
  ProxyOptions options;
  options.requires_client_certificates = true;
  options.client_names = {"gorouter.cf.internal"};
  options.trusted_ca_certificates = {a_certificate()};
  const auto files = proxy_files(container, options, {{"ID ", "KEY"}, {"C2C ", "KEY"}});
  ASSERT_EQ(files.size(), 4u);
  EXPECT_EQ(files[0].name + " " + files[0].content, "id.pem ID KEY");
  EXPECT_EQ(files[1].name + " " + files[1].content, "c2c.pem C2C KEY");
  EXPECT_EQ(files[2].content, a_certificate());
  EXPECT_EQ(files[3].content,
            "backend 10.254.0.2\n"
            "listen 61001 8080 id.pem http2 verify\n"
            "listen 61443 8080 c2c.pem\n"
            "listen 61002 5000 id.pem http2 verify\n"
            "client gorouter.cf.internal\n");
  EXPECT_THAT(proxy_process("guid", options).args, ElementsAre("/etc/cf-assets/envoy_config"));
}

}  // namespace
}  // namespace rivera::executor
