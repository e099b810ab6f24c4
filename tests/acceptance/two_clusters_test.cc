// Clusters on one machine beside each other, and what ./run refuses before it changes anything.
#include <fcntl.h>
#include <future>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/places.h"
#include "cluster/settings/process_table.h"
#include "harness/app.h"
#include "harness/cluster_under_test.h"

namespace rivera::harness {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class TwoClusters : public ::testing::Test {
 protected:
  // A ./run on a cluster in a directory of this test.
  base::CommandResult run_up(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {base::bin_dir() + "/rivera", "up", "--var", other_dir()});
    base::CommandOptions options;
    options.timeout = std::chrono::minutes(3);
    return base::run_command(arguments, options);
  }
  std::string other_dir() const { return (directory_.path() / "var").string(); }

  const base::TemporaryDirectory directory_{"rivera-two-"};
  ClusterUnderTest& shared_ = ClusterUnderTest::shared();
};

TEST_F(TwoClusters, ServeBesideEachOtherAndGoDownAlone) {
  const RunningApp app(shared_, a_web_app(shared_, unique_guid("beside"), 1));
  ASSERT_TRUE(eventually([&] { return app.serves(1); }));

  // Nothing but other ports is asked for, and that twice at once.
  const std::vector<std::string> arguments{"--port-base", std::to_string(free_port_base())};
  auto one = std::async(std::launch::async, [&] { return run_up(arguments); });
  auto two = std::async(std::launch::async, [&] { return run_up(arguments); });
  const base::CommandResult results[] = {one.get(), two.get()};
  for (const auto& result : results) ASSERT_EQ(result.exit_status, 0) << result.output << result.error;
  const auto supervisors = [this] {
    int count = 0;
    for (const auto& process : cluster::processes_of(cluster::load_settings(other_dir()))) {
      count += cluster::is_supervisor(process) ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(supervisors(), 1);

  ClusterUnderTest other(other_dir());
  EXPECT_NE(other.settings().garden_tag, shared_.settings().garden_tag);
  EXPECT_NE(other.settings().network_pool, shared_.settings().network_pool);
  EXPECT_EQ(other.get(other.settings().app_hostname("hello")).status, 200);
  EXPECT_TRUE(app.serves(1)) << "the first one continues to serve";

  other.stop();
  EXPECT_EQ(supervisors(), 0);
  EXPECT_TRUE(app.serves(1)) << "the first one continues to serve";
}

TEST_F(TwoClusters, WhatOneHoldsIsRefusedToAnother) {
  const cluster::Settings& held = shared_.settings();
  const std::pair<std::string, std::string> taken[] = {
      {"garden_tag", held.garden_tag},
      {"network_pool", held.network_pool},
      {"port_pool_start", std::to_string(held.port_pool_start + 1)},
  };
  for (const auto& [setting, value] : taken) {
    const auto result = run_up({"--no-sample", "--port-base", std::to_string(free_port_base()), "--set",
                                "port_pool_size=100", "--set", setting + "=" + value});
    EXPECT_EQ(result.exit_status, 1) << setting;
    EXPECT_THAT(result.error, HasSubstr("--set " + setting)) << setting;
    EXPECT_THAT(result.error, HasSubstr("is held by ")) << setting;
    EXPECT_FALSE(cluster::settings_exist(other_dir())) << "nothing is saved";
  }
}

TEST_F(TwoClusters, ACopyOfADirectoryDoesNotTouchTheOriginal) {
  const RunningApp app(shared_, a_web_app(shared_, unique_guid("copied"), 1));
  ASSERT_TRUE(eventually([&] { return app.serves(1); }));
  const pid_t bbs = shared_.pid_of("bbs");
  base::must_run({"cp", "-a", shared_.settings().var_dir.string(), other_dir()});

  const auto down = base::run_command({base::bin_dir() + "/rivera", "down", "--var", other_dir()});
  EXPECT_EQ(down.exit_status, 0) << down.error;
  EXPECT_EQ(shared_.pid_of("bbs"), bbs);
  EXPECT_TRUE(app.serves(1));

  const auto up = run_up({"--no-sample", "--port-base", std::to_string(free_port_base())});
  ASSERT_EQ(up.exit_status, 0) << up.output << up.error;
  ClusterUnderTest copy(other_dir());
  EXPECT_NE(copy.settings().garden_tag, shared_.settings().garden_tag);
  EXPECT_EQ(shared_.pid_of("bbs"), bbs);
  EXPECT_TRUE(app.serves(1));
  copy.stop();
  EXPECT_TRUE(app.serves(1));
}

// Listens on a port of a free block.
class Squatter {
 public:
  Squatter() : base_(free_port_base()), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    // An earlier cluster may have had the block: its closed connections hold the port for a minute.
    const int reuse = 1;
    EXPECT_EQ(::setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse), 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(cluster::Ports{.base = base_}.bbs());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(socket_.get(), 1), 0);
  }
  std::string port_base() const { return std::to_string(base_); }

 private:
  std::uint16_t base_;
  base::UniqueFd socket_;
};

TEST_F(TwoClusters, ABadCommandChangesNothing) {
  const Squatter squatter;
  const fs::path file = cluster::settings_file(shared_.settings().var_dir);
  const std::string before = base::read_file(file);
  const pid_t bbs = shared_.pid_of("bbs");
  const std::pair<std::vector<std::string>, std::string> bad[] = {
      {{"--port-base", squatter.port_base()}, "is in use by acceptance_test"},
      {{"--port-base", "65500"}, "port_base"},
      {{"--port-base", "53"}, "port_base"},
      {{"--set", "route_sync_interval=soon"}, "route_sync_interval"},
      {{"--set", "no_such_setting=1"}, "no_such_setting"},
      {{"--set", "garden_tag"}, "key=value"},
  };
  for (const auto& [arguments, reason] : bad) {
    std::vector<std::string> words{"up", "--no-sample"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const auto result = shared_.run_tool(words);
    EXPECT_EQ(result.exit_status, 1) << reason;
    EXPECT_THAT(result.error, HasSubstr(reason));
    EXPECT_EQ(base::read_file(file), before) << reason;
    EXPECT_EQ(shared_.pid_of("bbs"), bbs) << reason;
  }
}

}  // namespace
}  // namespace rivera::harness
