#include "auctioneer/config.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/config/config.h"
#include "base/files.h"
#include "base/testing/config_walk.h"
#include "base/testing/fields.h"

namespace rivera::auctioneer {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

// Every member except the notices.
std::string read_as(const Config& c) {
  return base::testing::fields(c.uuid, c.listen_address, c.server_tls, c.authorization, c.client_limits,
                               c.debug_address, c.bbs_address, c.bbs_tls, c.rep_tls, c.locket, c.workers,
                               c.communication_timeout, c.cell_state_timeout, c.placement, c.report_interval, c.log,
                               c.loggregator);
}

const json::object kRequired = json::parse(R"({
      "uuid": "auctioneer-1", "listen_address": "127.0.0.1:9016",
      "bbs_address": "https://bbs:8889", "auction_runner_workers": 1000,
      "ca_cert_file": "ca", "server_cert_file": "cert", "server_key_file": "key",
      "bbs_ca_cert_file": "bca", "bbs_client_cert_file": "bcert", "bbs_client_key_file": "bkey",
      "rep_ca_cert": "rca", "rep_client_cert": "rcert", "rep_client_key": "rkey",
      "locket_address": "locket:8891", "locket_ca_cert_file": "lca", "locket_client_cert_file": "lcert",
      "locket_client_key_file": "lkey"})")
                                   .as_object();
const json::object kWhole = [] {
  json::object values = kRequired;
  values["communication_timeout"] = "7s";
  values["cell_state_timeout"] = "1s";
  values["starting_container_weight"] = 0.25;
  values["starting_container_count_maximum"] = 200;
  values["locks_locket_enabled"] = true;
  return values;
}();

class ConfigTest : public ::testing::Test {
 protected:
  Config load(const json::object& changes = {}) {
    json::object values = kWhole;
    for (const auto& change : changes) values[change.key()] = change.value();
    return load_whole(values);
  }

  Config load_whole(const json::object& values) {
    const auto path = directory_.path() / "config.json";
    base::write_file_atomically(path, json::serialize(values));
    return load_config(path.string());
  }

  std::string complaint(const json::object& changes) {
    try {
      load(changes);
    } catch (const base::ConfigError& e) {
      return e.what();
    }
    return "";
  }

 private:
  base::TemporaryDirectory directory_;
};

TEST_F(ConfigTest, ReadsUpstreamsKeys) {
  const auto config = load();
  EXPECT_EQ(config.uuid, "auctioneer-1");
  EXPECT_EQ(config.listen_address, "127.0.0.1:9016");
  EXPECT_EQ(config.server_tls.ca_file, "ca");
  EXPECT_EQ(config.bbs_tls.certificate_file, "bcert");
  EXPECT_EQ(config.rep_tls.key_file, "rkey");
  EXPECT_EQ(config.workers, 1000u);
  EXPECT_EQ(config.communication_timeout, 7s);
  EXPECT_EQ(config.cell_state_timeout, 1s);
  EXPECT_EQ(config.placement.starting_container_weight, 0.25);
  EXPECT_EQ(config.placement.starting_container_count_maximum, 200);
  EXPECT_EQ(config.placement.bin_pack_first_fit_weight, 0);
  EXPECT_TRUE(config.placement.reserve_proxy_memory);
}

TEST_F(ConfigTest, BoundsALongStateTimeout) { EXPECT_EQ(load({{"cell_state_timeout", "5m"}}).cell_state_timeout, 60s); }

TEST_F(ConfigTest, BoundsATimeoutOfZero) { EXPECT_EQ(load({{"cell_state_timeout", "0s"}}).cell_state_timeout, 60s); }

TEST_F(ConfigTest, NamesWhatIsMissing) {
  EXPECT_NE(complaint({{"uuid", ""}}).find("uuid"), std::string::npos);
  EXPECT_NE(complaint({{"bbs_address", ""}}).find("invalid-bbs-address"), std::string::npos);
  EXPECT_NE(complaint({{"auction_runner_workers", 0}}).find("auction_runner_workers"), std::string::npos);
  EXPECT_NE(complaint({{"locket_address", ""}}).find("locket_address"), std::string::npos);
  EXPECT_NE(complaint({{"starting_container_weight", -1}}).find("starting_container_weight"), std::string::npos);
}

TEST_F(ConfigTest, WantsAllTlsFilesOrNone) {
  EXPECT_NE(complaint({{"server_key_file", ""}}).find("invalid-tls-config"), std::string::npos);
  const auto config = load({{"ca_cert_file", ""}, {"server_cert_file", ""}, {"server_key_file", ""}});
  EXPECT_TRUE(config.server_tls.empty());
  EXPECT_NE(
      complaint({{"ca_cert_file", ""}, {"server_cert_file", ""}, {"server_key_file", ""}, {"authorization", "roles"}})
          .find("authorization"),
      std::string::npos);
}

TEST_F(ConfigTest, EachKeyDoesWhatItsTableSays) {
  const json::object sending = {
      {"loggregator",
       {{"loggregator_ca_path", "ca"}, {"loggregator_cert_path", "cert"}, {"loggregator_key_path", "key"}}}};
  base::testing::ConfigWalk walk;
  walk.keys = config_keys();
  walk.base = kRequired;
  walk.load = [this](const json::object& values) {
    const Config config = load_whole(values);
    return base::testing::LoadedConfig{read_as(config), config.notices};
  };
  walk.samples = {{"cell_state_timeout", "5s"}, {"loggregator.loggregator_use_v2_api", false}};
  walk.contexts = {{"loggregator.loggregator_use_v2_api", sending},
                   {"loggregator.loggregator_ca_path", sending},
                   {"loggregator.loggregator_cert_path", sending},
                   {"loggregator.loggregator_key_path", sending}};
  walk.with_derived_default = {"loggregator.loggregator_use_v2_api"};
  EXPECT_THAT(base::testing::walk_config(walk), ::testing::IsEmpty());
}

TEST_F(ConfigTest, KnowsEveryKeyOfTheSpecification) {
  const auto named = base::testing::keys_in_specification("locket-and-auction.md", "### 2.4 ");
  EXPECT_GT(named.size(), 30u);
  EXPECT_THAT(base::testing::keys_missing(named, config_keys()), ::testing::IsEmpty());
}

}  // namespace
}  // namespace rivera::auctioneer
