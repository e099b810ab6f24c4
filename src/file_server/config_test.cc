#include "file_server/config.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/config_walk.h"
#include "base/testing/fields.h"

namespace rivera::file_server {
namespace {

namespace json = boost::json;

// Every member except the notices.
std::string read_as(const Config& c) {
  return base::testing::fields(c.server_address, c.static_directory, c.https_server_enabled, c.https_listen_addr,
                               c.cert_file, c.key_file, c.debug_address, c.client_limits, c.log);
}

TEST(FileServerConfig, EachKeyDoesWhatItsTableSays) {
  base::TemporaryDirectory directory;
  const auto path = (directory.path() / "file_server.json").string();
  base::testing::ConfigWalk walk;
  walk.keys = config_keys();
  walk.base = {{"static_directory", "/var/vcap/packages"}};
  walk.load = [&path](const json::object& values) {
    base::write_file_atomically(path, json::serialize(values));
    const Config config = load_config(path);
    return base::testing::LoadedConfig{read_as(config), config.notices};
  };
  walk.contexts = {{"https_server_enabled", {{"https_listen_addr", "0.0.0.0:8443"}}}};
  EXPECT_THAT(base::testing::walk_config(walk), ::testing::IsEmpty());
}

TEST(FileServerConfig, KnowsEveryKeyOfTheSpecification) {
  auto named = base::testing::keys_in_specification("access-and-tools.md", "## 3. File-Server");
  named.erase(std::find(named.begin(), named.end(), "GET"), named.end());  // the next table is of requests
  EXPECT_GT(named.size(), 6u);
  EXPECT_THAT(base::testing::keys_missing(named, config_keys()), ::testing::IsEmpty());
}

}  // namespace
}  // namespace rivera::file_server
