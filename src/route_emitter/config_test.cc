#include "route_emitter/config.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/config_walk.h"
#include "base/testing/fields.h"

namespace rivera::route_emitter {
namespace {

namespace json = boost::json;

// Every member except the notices.
std::string read_as(const Config& c) {
  return base::testing::fields(c.name, c.cell_id, c.uuid, c.bbs, c.register_direct_instance_routes,
                               c.enable_internal_emitter, c.healthcheck_address, c.debug_address, c.client_limits,
                               c.jitter_factor, c.nats_addresses, c.nats_username, c.nats_password, c.nats_tls_enabled,
                               c.nats_tls, c.sync_interval, c.unregistration_interval, c.unregistration_send_count,
                               c.locket, c.log);
}

TEST(RouteEmitterConfig, EachKeyDoesWhatItsTableSays) {
  base::TemporaryDirectory directory;
  const auto path = (directory.path() / "route_emitter.json").string();
  base::testing::ConfigWalk walk;
  walk.keys = config_keys();
  walk.base = {{"uuid", "emitter-1"},
               {"bbs_address", "https://bbs:8889"},
               {"nats_addresses", "nats-1:4222, nats-2:4222"},
               {"locket_address", "locket:8891"},
               {"locket_ca_cert_file", "ca"},
               {"locket_client_cert_file", "cert"},
               {"locket_client_key_file", "key"}};
  walk.load = [&path](const json::object& values) {
    base::write_file_atomically(path, json::serialize(values));
    const Config config = load_config(path);
    return base::testing::LoadedConfig{read_as(config), config.notices};
  };
  EXPECT_THAT(base::testing::walk_config(walk), ::testing::IsEmpty());
}

TEST(RouteEmitterConfig, KnowsEveryKeyOfTheSpecification) {
  const auto named = base::testing::keys_in_specification("routing.md", "### 2.1 ");
  EXPECT_GT(named.size(), 30u);
  // The last rows name groups of keys.
  auto missing = base::testing::keys_missing(named, config_keys());
  std::erase(missing, "embedded");
  EXPECT_THAT(missing, ::testing::IsEmpty());
}

}  // namespace
}  // namespace rivera::route_emitter
