#include "rep/settings/config.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/config_walk.h"
#include "base/testing/fields.h"

namespace rivera::rep {
namespace {

using ::testing::HasSubstr;

// Every member except the notices.
std::string read_as(const Config& c) {
  return base::testing::fields(
      c.cell_id, c.cell_index, c.zone, c.session_name, c.advertise_domain, c.advertise_preference_for_instance_address,
      c.placement_tags, c.optional_placement_tags, c.stacks, c.supported_providers, c.layering_mode, c.listen_addr,
      c.listen_addr_securable, c.debug_address, c.tls, c.authorization, c.client_limits, c.bbs_address,
      c.communication_timeout, c.locket, c.lock_ttl, c.garden_address, c.polling_interval,
      c.evacuation_polling_interval, c.evacuation_timeout, c.cleanup_timeout, c.container_metrics_interval,
      c.executor.identity, c.executor.node, c.executor.capacity, c.executor.cache.cache_path,
      c.executor.cache.max_cache_bytes, c.executor.asset_tls, c.executor.work_directory, c.executor.state_directory,
      c.executor.readopt_containers, c.executor.create_slots, c.executor.delete_slots, c.executor.healthcheck_slots,
      c.executor.download_slots, c.executor.reserved_expiration, c.executor.reap_interval, c.garden_health,
      c.app_log_directory, c.log);
}

class ConfigTest : public ::testing::Test {
 protected:
  Config load(const std::string& zone = "") {
    const auto path = (directory.path() / "rep.json").string();
    base::write_file_atomically(path, boost::json::serialize(values));
    return load_config(path, zone);
  }
  std::string error() {
    try {
      load();
    } catch (const base::ConfigError& e) {
      return e.what();
    }
    return "none";
  }

  base::TemporaryDirectory directory;
  boost::json::object values = boost::json::parse(R"({
    "cell_id": "cell_z1-0", "cell_index": 3, "zone": "z1", "bbs_address": "https://bbs:8889",
    "ca_cert_file": "/ca", "cert_file": "/cert", "key_file": "/key",
    "locket_address": "locket:8891", "locket_ca_cert_file": "/ca", "locket_client_cert_file": "/cert",
    "locket_client_key_file": "/key", "preloaded_root_fs": ["cflinuxfs4:/rootfs.tar"], "supported_providers": ["docker"],
    "memory_mb": "4096", "disk_mb": 1000, "polling_interval": "1s", "graceful_shutdown_interval": "12s",
    "some_historical_key": true})")
                                   .as_object();
};

TEST_F(ConfigTest, ReadsUpstreamsFile) {
  const auto config = load();
  EXPECT_EQ(config.cell_id, "cell_z1-0");
  EXPECT_EQ(config.stacks.at("cflinuxfs4"), "/rootfs.tar");
  EXPECT_EQ(config.polling_interval, std::chrono::seconds(1));
  EXPECT_EQ(config.evacuation_timeout, std::chrono::minutes(10));
  EXPECT_EQ(config.executor.capacity.memory_mb, "4096");
  EXPECT_EQ(config.executor.capacity.disk_mb, "1000");
  EXPECT_EQ(config.executor.node.steps.graceful_shutdown_interval, std::chrono::seconds(12));
  EXPECT_EQ(config.cleanup_timeout, std::chrono::seconds(17));
  EXPECT_EQ(config.garden_address, "unix:/var/vcap/data/garden/garden.sock");
  EXPECT_TRUE(config.executor.readopt_containers);
  EXPECT_EQ(rep_url(config), "https://cell-z1-0.cell.service.cf.internal:1801");
  EXPECT_EQ(proxy_memory_mb(config), 0);
}

TEST_F(ConfigTest, LetsTheCommandLineSetTheZone) { EXPECT_EQ(load("z9").zone, "z9"); }

TEST_F(ConfigTest, NamesTheInvalidKey) {
  values["healthy_monitoring_interval"] = "0s";
  EXPECT_THAT(error(), HasSubstr("healthy_monitoring_interval"));
  values.erase("healthy_monitoring_interval");
  values["preloaded_root_fs"] = boost::json::array{"nonsense"};
  EXPECT_THAT(error(), HasSubstr("preloaded_root_fs"));
  values["preloaded_root_fs"] = boost::json::array{};
  values["create_work_pool_size"] = 0;
  EXPECT_THAT(error(), HasSubstr("create_work_pool_size"));
  values.erase("create_work_pool_size");
  values["post_setup_hook"] = "sh -c true";
  EXPECT_THAT(error(), HasSubstr("post_setup_user"));
  values.erase("post_setup_hook");
  values["cell_id"] = "";
  EXPECT_THAT(error(), HasSubstr("cell_id"));
}

TEST_F(ConfigTest, EachKeyDoesWhatItsTableSays) {
  base::testing::ConfigWalk walk;
  walk.keys = config_keys();
  walk.base = values;
  walk.load = [this](const boost::json::object& given) {
    values = given;
    const auto config = load();
    return base::testing::LoadedConfig{read_as(config), config.notices};
  };
  walk.samples = {{"preloaded_root_fs", boost::json::array{"other:/other.tar"}},
                  {"sidecar_root_fs", "cflinuxfs4"},
                  {"graceful_shutdown_interval", "7s"}};
  walk.contexts = {{"post_setup_hook", {{"post_setup_user", "root"}}},
                   {"instance_identity_cred_dir",
                    {{"instance_identity_ca_path", "/ca"}, {"instance_identity_private_key_path", "/key"}}}};
  EXPECT_THAT(base::testing::walk_config(walk), ::testing::IsEmpty());
}

TEST_F(ConfigTest, KnowsEveryKeyOfTheSpecification) {
  const auto named = base::testing::keys_in_specification("cell.md", "### 1.19 ");
  EXPECT_GT(named.size(), 100u);
  EXPECT_THAT(base::testing::keys_missing(named, config_keys()), ::testing::IsEmpty());
}

TEST_F(ConfigTest, TakesEnvoyIfItIsThereAndOurOwnProxyOtherwise) {
  values["enable_container_proxy"] = true;
  values["temp_dir"] = directory.path().string();
  auto config = load();
  EXPECT_TRUE(config.executor.node.spec.container_proxy);
  EXPECT_FALSE(config.executor.node.proxy.is_envoy);
  EXPECT_EQ(config.executor.node.proxy.program_directory, (directory.path() / "container_proxy").string());
  EXPECT_EQ(config.executor.node.proxy.rootfs, "");
  EXPECT_EQ(proxy_memory_mb(config), 32);
  EXPECT_EQ(config.cleanup_timeout, std::chrono::seconds(22));
  values["container_proxy_path"] = directory.path().string();
  base::write_file_atomically(directory.path() / "envoy", "");
  config = load();
  EXPECT_TRUE(config.executor.node.proxy.is_envoy);
  EXPECT_EQ(config.executor.node.proxy.rootfs, "/rootfs.tar");
}

TEST_F(ConfigTest, RequiresTheCaOfInstances) {
  values["instance_identity_cred_dir"] = "/creds";
  EXPECT_THAT(error(), HasSubstr("instance_identity_ca_path"));
  values["instance_identity_ca_path"] = "/ca";
  EXPECT_THAT(error(), HasSubstr("instance_identity_private_key_path"));
  values["instance_identity_private_key_path"] = "/key";
  EXPECT_TRUE(load().executor.identity.is_enabled());
}

TEST_F(ConfigTest, SplitsThePostSetupHookAsAShell) {
  values["post_setup_user"] = "root";
  values["post_setup_hook"] = "sh -c 'a  b'";
  EXPECT_THAT(load().executor.node.steps.post_setup_hook, ::testing::ElementsAre("sh", "-c", "a  b"));
  values["post_setup_hook"] = "sh -c 'a";
  EXPECT_THAT(error(), HasSubstr("post_setup_hook"));
}

TEST_F(ConfigTest, MatchesKeysInAnyCase) {
  values["Cell_ID"] = "another";
  values.erase("cell_id");
  EXPECT_EQ(load().cell_id, "another");
}

}  // namespace
}  // namespace rivera::rep
