#include "bbs/program/config.h"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/config/config.h"
#include "base/files.h"
#include "base/testing/config_walk.h"
#include "base/testing/fields.h"

namespace rivera::bbs {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

// Every member except the notices.
std::string read_as(const Config& c) {
  return base::testing::fields(c.uuid, c.listen_address, c.health_address, c.debug_address, c.tls, c.authorization,
                               c.client_limits, c.database, c.encryption_keys, c.active_key_label, c.locket, c.lock_ttl,
                               c.lock_retry_interval, c.auctioneer, c.rep, c.communication_timeout, c.convergence,
                               c.database_check, c.reconcile_before_calls, c.update_workers, c.task_callback_workers,
                               c.max_task_retries, c.log, c.session_name, c.access_log_path, c.loggregator,
                               c.report_interval, c.advanced_metrics);
}

class ConfigTest : public testing::Test {
 protected:
  Config load() {
    const auto path = directory_.path() / "bbs.json";
    base::write_file_atomically(path, json::serialize(values_));
    return load_config(path);
  }
  std::string failure() {
    try {
      load();
    } catch (const base::ConfigError& e) {
      return e.what();
    }
    return "no failure";
  }

  base::TemporaryDirectory directory_;
  json::object values_ = {{"uuid", "u"},
                          {"health_address", "127.0.0.1:8890"},
                          {"ca_file", "ca"},
                          {"cert_file", "cert"},
                          {"key_file", "key"},
                          {"database_driver", "sqlite3"},
                          {"database_connection_string", "/tmp/bbs.db"},
                          {"encryption_keys", {{"k1", "secret"}}},
                          {"active_key_label", "k1"},
                          {"auctioneer_address", "https://auctioneer:9016"},
                          {"locket_address", "locket:8891"},
                          {"locket_ca_cert_file", "ca"},
                          {"locket_client_cert_file", "cert"},
                          {"locket_client_key_file", "key"}};
};

TEST_F(ConfigTest, HasUpstreamsDefaultsAndIgnoresWhatItDoesNotKnow) {
  values_["locks_locket_enabled"] = true;
  const Config config = load();
  EXPECT_EQ(config.listen_address, "0.0.0.0:8889");
  EXPECT_EQ(config.lock_ttl, 15s);
  EXPECT_EQ(config.lock_retry_interval, 5s);
  EXPECT_EQ(config.convergence.interval, 30s);
  EXPECT_EQ(config.convergence.tasks.expire_pending, 30min);
  EXPECT_EQ(config.convergence.tasks.expire_completed, 120s);
  EXPECT_EQ(config.convergence.tasks.kick, 30s);
  EXPECT_EQ(config.max_task_retries, 3);
  EXPECT_EQ(config.session_name, "bbs");
}

TEST_F(ConfigTest, ReadsDurationsAsGoWritesThem) {
  values_["converge_repeat_interval"] = "1m30s";
  values_["kick_task_duration"] = "250ms";
  EXPECT_EQ(load().convergence.interval, 90s);
  EXPECT_EQ(load().convergence.tasks.kick, 250ms);
}

TEST_F(ConfigTest, ReadsTheDatabasesHealthCheck) {
  EXPECT_FALSE(load().database_check.is_enabled);
  EXPECT_EQ(load().database_check.timeout, 5s);
  EXPECT_EQ(load().database_check.failure_threshold, 3);
  EXPECT_EQ(load().database_check.interval, 10s);
  values_["enable_db_health_check"] = true;
  values_["health_check_timeout"] = "1s";
  values_["health_check_failure_threshold"] = 5;
  values_["health_check_interval"] = "2s";
  EXPECT_TRUE(load().database_check.is_enabled);
  EXPECT_EQ(load().database_check.timeout, 1s);
  EXPECT_EQ(load().database_check.failure_threshold, 5);
  EXPECT_EQ(load().database_check.interval, 2s);
  values_["health_check_failure_threshold"] = 0;
  EXPECT_NE(failure().find("health_check_failure_threshold"), std::string::npos);
}

TEST_F(ConfigTest, NamesEachRequiredKeyThatIsMissing) {
  for (const char* key : {"uuid", "health_address", "ca_file", "active_key_label", "auctioneer_address",
                          "locket_address", "database_connection_string"}) {
    const json::object whole = values_;
    values_.erase(key);
    EXPECT_NE(failure().find(key), std::string::npos) << failure();
    values_ = whole;
  }
}

TEST_F(ConfigTest, RefusesValuesOutOfRange) {
  values_["active_key_label"] = "k2";
  EXPECT_NE(failure().find("active_key_label"), std::string::npos);
  EXPECT_EQ(failure().find("secret"), std::string::npos) << "a passphrase is never printed";
  values_["active_key_label"] = "k1";
  values_["converge_repeat_interval"] = "-1s";
  EXPECT_NE(failure().find("converge_repeat_interval"), std::string::npos);
  values_["converge_repeat_interval"] = "30s";
  values_["log_level"] = "loud";
  EXPECT_NE(failure().find("log_level"), std::string::npos);
}

TEST_F(ConfigTest, ReadsWhatTheBbsReportsAboutItself) {
  values_["report_interval"] = "10s";
  values_["access_log_path"] = "/var/log/access.log";
  values_["advanced_metrics"] = {
      {"enabled", true}, {"route_config", {{"request_count", {"Ping"}}, {"request_latency", {"Ping", "Tasks"}}}}};
  values_["loggregator"] = {{"loggregator_use_v2_api", true}, {"loggregator_api_port", 1234},
                            {"loggregator_ca_path", "ca"},    {"loggregator_cert_path", "cert"},
                            {"loggregator_key_path", "key"},  {"loggregator_source_id", "bbs"}};
  const Config config = load();
  EXPECT_EQ(config.report_interval, 10s);
  EXPECT_EQ(config.access_log_path, "/var/log/access.log");
  EXPECT_EQ(config.advanced_metrics.request_count, std::vector<std::string>{"Ping"});
  EXPECT_EQ(config.advanced_metrics.request_latency, (std::vector<std::string>{"Ping", "Tasks"}));
  EXPECT_TRUE(config.loggregator.is_enabled);
  EXPECT_EQ(config.loggregator.address, "127.0.0.1:1234");
  EXPECT_EQ(config.loggregator.source_id, "bbs");
}

TEST_F(ConfigTest, ReportsNothingUnlessConfigured) {
  values_["advanced_metrics"] = {{"enabled", false}, {"route_config", {{"request_count", {"Ping"}}}}};
  const Config config = load();
  EXPECT_EQ(config.report_interval, 1min);
  EXPECT_TRUE(config.access_log_path.empty());
  EXPECT_TRUE(config.advanced_metrics.request_count.empty());
  EXPECT_FALSE(config.loggregator.is_enabled);
}

TEST_F(ConfigTest, ChecksTheKeysThatHaveNoEffectToo) {
  const json::object wrong = {{"report_interval", "0s"},   {"access_log_path", 1},
                              {"convergence_workers", -1}, {"desired_lrp_creation_timeout", "soon"},
                              {"require_ssl", "yes"},      {"rep_client_session_cache_size", -1},
                              {"advanced_metrics", true},  {"loggregator", "on"}};
  for (const auto& member : wrong) {
    const json::object whole = values_;
    values_[member.key()] = member.value();
    EXPECT_NE(failure().find(member.key()), std::string::npos) << failure();
    values_ = whole;
  }
}

TEST_F(ConfigTest, EachKeyDoesWhatItsTableSays) {
  const json::object sending = {
      {"loggregator",
       {{"loggregator_ca_path", "ca"}, {"loggregator_cert_path", "cert"}, {"loggregator_key_path", "key"}}}};
  base::testing::ConfigWalk walk;
  walk.keys = config_keys();
  walk.base = values_;
  walk.load = [this](const json::object& values) {
    values_ = values;
    const Config config = load();
    return base::testing::LoadedConfig{read_as(config), config.notices};
  };
  walk.samples = {{"encryption_keys", {{"k1", "secret"}, {"k2", "other"}}},
                  {"active_key_label", "k2"},
                  {"database_driver", "postgres"},
                  {"loggregator.loggregator_use_v2_api", false}};
  walk.contexts = {
      {"active_key_label", {{"encryption_keys", {{"k1", "secret"}, {"k2", "other"}}}}},
      {"sql_require_ssl", {{"sql_ca_cert_file", "ca"}}},
      {"advanced_metrics.enabled", {{"advanced_metrics", {{"route_config", {{"request_count", {"Ping"}}}}}}}},
      {"advanced_metrics.route_config.request_count", {{"advanced_metrics", {{"enabled", true}}}}},
      {"advanced_metrics.route_config.request_latency", {{"advanced_metrics", {{"enabled", true}}}}},
      {"loggregator.loggregator_use_v2_api", sending},
      {"loggregator.loggregator_ca_path", sending},
      {"loggregator.loggregator_cert_path", sending},
      {"loggregator.loggregator_key_path", sending}};
  walk.with_derived_default = {"loggregator.loggregator_use_v2_api"};
  EXPECT_THAT(base::testing::walk_config(walk), ::testing::IsEmpty());
}

TEST_F(ConfigTest, KnowsEveryKeyOfTheSpecification) {
  const auto named = base::testing::keys_in_specification("bbs.md", "### 7.1 ");
  EXPECT_GT(named.size(), 50u);
  EXPECT_THAT(base::testing::keys_missing(named, config_keys()), ::testing::IsEmpty());
}

}  // namespace
}  // namespace rivera::bbs
