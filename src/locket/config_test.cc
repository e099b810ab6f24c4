#include "locket/config.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/config_walk.h"
#include "base/testing/fields.h"

namespace rivera::locket {
namespace {

namespace json = boost::json;

// Every member except the notices.
std::string read_as(const Config& c) {
  return base::testing::fields(c.listen_address, c.tls, c.authorization, c.client_limits, c.database, c.debug_address,
                               c.report_interval, c.log, c.loggregator, c.enable_db_health_check,
                               c.health_check_interval, c.health_check_timeout, c.health_check_failure_threshold);
}

TEST(LocketConfig, EachKeyDoesWhatItsTableSays) {
  base::TemporaryDirectory directory;
  const auto path = (directory.path() / "locket.json").string();
  const json::object sending = {
      {"loggregator",
       {{"loggregator_ca_path", "ca"}, {"loggregator_cert_path", "cert"}, {"loggregator_key_path", "key"}}}};
  base::testing::ConfigWalk walk;
  walk.keys = config_keys();
  walk.base = {{"listen_address", "0.0.0.0:8891"},
               {"ca_file", "ca"},
               {"cert_file", "cert"},
               {"key_file", "key"},
               {"database_connection_string", "/tmp/locket.db"}};
  walk.load = [&path](const json::object& values) {
    base::write_file_atomically(path, json::serialize(values));
    const Config config = load_config(path);
    return base::testing::LoadedConfig{read_as(config), config.notices};
  };
  walk.samples = {{"database_driver", "postgres"}, {"loggregator.loggregator_use_v2_api", false}};
  walk.contexts = {{"sql_require_ssl", {{"sql_ca_cert_file", "ca"}}},
                   {"loggregator.loggregator_use_v2_api", sending},
                   {"loggregator.loggregator_ca_path", sending},
                   {"loggregator.loggregator_cert_path", sending},
                   {"loggregator.loggregator_key_path", sending}};
  walk.with_derived_default = {"loggregator.loggregator_use_v2_api"};
  EXPECT_THAT(base::testing::walk_config(walk), ::testing::IsEmpty());
}

TEST(LocketConfig, KnowsEveryKeyOfTheSpecification) {
  const auto named = base::testing::keys_in_specification("locket-and-auction.md", "### 1.10 ");
  EXPECT_GT(named.size(), 20u);
  EXPECT_THAT(base::testing::keys_missing(named, config_keys()), ::testing::IsEmpty());
}

}  // namespace
}  // namespace rivera::locket
