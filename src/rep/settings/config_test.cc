#include "rep/settings/config.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"

namespace rivera::rep {
namespace {

using ::testing::HasSubstr;

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

}  // namespace
}  // namespace rivera::rep
