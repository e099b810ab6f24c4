// A machine after a loss of power: the disk as it was, and nothing else. The next ./run brings
// everything back.
#include <algorithm>
#include <fstream>
#include <signal.h>
#include <sstream>
#include <sys/mount.h>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "harness/app.h"
#include "harness/cluster_under_test.h"

namespace rivera::harness {
namespace {

namespace fs = std::filesystem;

// Every process that has the cluster's directory in its command line, and everything in its containers.
std::vector<pid_t> all_processes_of(const cluster::Settings& settings) {
  std::vector<pid_t> out;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    try {
      const bool ours =
          base::read_file(entry.path() / "cmdline").find(settings.var_dir.string()) != std::string::npos ||
          base::read_file(entry.path() / "cgroup").find("garden-" + settings.garden_tag) != std::string::npos;
      if (ours) out.push_back(std::stoi(name));
    } catch (const std::system_error&) {
      // It has just ended.
    }
  }
  return out;
}

void kill_everything(const cluster::Settings& settings) {
  ASSERT_TRUE(eventually([&] {
    const auto pids = all_processes_of(settings);
    for (const pid_t pid : pids) ::kill(pid, SIGKILL);
    return pids.empty();
  }));
}

void unmount_everything(const cluster::Settings& settings) {
  std::istringstream mounts(base::read_file("/proc/self/mounts"));
  for (std::string device, where, rest; mounts >> device >> where && std::getline(mounts, rest);) {
    if (where.find("garden-" + settings.garden_tag) != std::string::npos) ::umount2(where.c_str(), MNT_DETACH);
  }
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator("/run", ec)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("garden-" + settings.garden_tag + "-")) fs::remove_all(entry.path());
  }
}

void remove_network(const cluster::Settings& settings) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator("/sys/class/net")) names.push_back(entry.path().filename());
  for (const std::string& name : names) {
    if (name.starts_with("w" + settings.garden_tag)) base::run_command({"ip", "link", "delete", name});
  }
  base::run_command({"nft", "delete", "table", "ip", "rivera_garden_" + settings.garden_tag});
}

void remove_cgroups(const cluster::Settings& settings) {
  std::vector<fs::path> found;
  std::error_code ec;
  for (const auto& entry : fs::recursive_directory_iterator("/sys/fs/cgroup", ec)) {
    if (entry.path().string().find("/garden-" + settings.garden_tag) != std::string::npos && entry.is_directory(ec)) {
      found.push_back(entry.path());
    }
  }
  std::sort(found.rbegin(), found.rend());  // children first
  for (const fs::path& path : found) ::rmdir(path.c_str());
}

TEST(PowerLoss, TheNextRunBringsTheApplicationsBack) {
  const base::TemporaryDirectory directory("rivera-power-loss-");
  ClusterUnderTest cluster = ClusterUnderTest::start(directory.path());
  {
    RunningApp app(cluster, a_web_app(cluster, "before", 2));
    ASSERT_TRUE(eventually([&] { return app.serves(2); }));
    const std::string old_instance = app.instance(0).actual_lrp_instance_key().instance_guid();

    kill_everything(cluster.settings());
    unmount_everything(cluster.settings());
    remove_network(cluster.settings());
    remove_cgroups(cluster.settings());

    cluster = ClusterUnderTest::start(directory.path());
    EXPECT_TRUE(eventually([&] { return app.serves(2); }));
    EXPECT_NE(app.instance(0).actual_lrp_instance_key().instance_guid(), old_instance);
  }
  cluster.stop();
}

TEST(PowerLoss, AComponentThatCannotStartIsNamedWithItsReason) {
  const base::TemporaryDirectory directory("rivera-broken-");
  ClusterUnderTest cluster = ClusterUnderTest::start(directory.path());
  cluster.stop();
  // The disk lost more than it should have: the BBS's database is no database any more.
  base::write_file_atomically(cluster.settings().state_dir() / "bbs.db", std::string(8192, 'x'));
  for (const char* suffix : {"-wal", "-shm"})
    fs::remove(cluster.settings().state_dir() / (std::string("bbs.db") + suffix));
  const auto up = cluster.run_tool({"up", "--no-sample"});
  EXPECT_EQ(up.exit_status, 1);
  EXPECT_THAT(up.error, ::testing::HasSubstr("bbs keeps ending"));
  EXPECT_THAT(up.error, ::testing::HasSubstr("./run logs bbs"));
  EXPECT_THAT(up.error, ::testing::HasSubstr("database"));
  cluster.stop();
}

}  // namespace
}  // namespace rivera::harness
