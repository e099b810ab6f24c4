#include "cluster/settings/process_table.h"

#include <chrono>
#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/child_process.h"
#include "cluster/lost_cluster.h"
#include "cluster/prepare/preflight.h"
#include "cluster/supervision/process.h"
#include "cluster/supervision/supervisor_client.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

// Shells under the names of programs of a cluster. They stop themselves: one that waited for a program would be there
// twice until that program is executed.
class ProcessTable : public ::testing::Test {
 protected:
  void SetUp() override {
    settings_.var_dir = directory_.path() / "var";
    make_directories(settings_);
  }

  std::vector<std::string> script(const std::string& program, std::vector<std::string> words) const {
    const fs::path file = directory_.path() / program;
    if (!fs::exists(file)) fs::create_symlink("/bin/sh", file);
    words.insert(words.begin(), {file.string(), "-c", "kill -STOP $$"});
    return words;
  }

  static std::vector<pid_t> pids_of(const Settings& settings) {
    std::vector<pid_t> out;
    for (const RunningProcess& process : processes_of(settings)) out.push_back(process.pid);
    return out;
  }

  base::TemporaryDirectory directory_;
  Settings settings_;
};

TEST_F(ProcessTable, FindsProgramsOfTheClusterByTheirArguments) {
  const base::ChildProcess ours(script("bbs", {(settings_.config_dir() / "bbs.json").string()}));
  const base::ChildProcess other_cluster(script("bbs", {settings_.var_dir.string() + "2/config/bbs.json"}));
  const base::ChildProcess other_program(script("editor", {(settings_.config_dir() / "bbs.json").string()}));
  EXPECT_EQ(pids_of(settings_), std::vector<pid_t>{ours.pid()});
}

TEST_F(ProcessTable, FindsProgramsByTheirLogAfterTheDirectoryWasMoved) {
  const auto argv = script("bbs", {(settings_.config_dir() / "bbs.json").string()});
  const base::ChildProcess ours = base::start_logged(argv, settings_.log_dir() / "bbs.log");
  const Settings before = settings_;
  settings_.var_dir = directory_.path() / "moved";
  fs::rename(before.var_dir, settings_.var_dir);
  EXPECT_EQ(pids_of(settings_), std::vector<pid_t>{ours.pid()});
  fs::create_directories(before.var_dir);
  EXPECT_EQ(pids_of(before), std::vector<pid_t>()) << "another cluster has taken the place";
}

TEST_F(ProcessTable, APidFileOfACopyNamesNoSupervisor) {
  const base::ChildProcess original(script("rivera", {"supervise", "--var", "/elsewhere"}));
  write_pid_file(settings_.supervisor_pid_file(), original.pid());
  EXPECT_EQ(supervisor_pid(settings_), std::nullopt);
}

TEST_F(ProcessTable, FindsAClusterWhoseDirectoryWasRemovedAndHowToCleanUpAfterIt) {
  EXPECT_FALSE(find_lost_cluster("/bin", settings_.var_dir));
  const auto depot = (settings_.state_dir() / "garden" / "depot").string();
  fs::create_symlink("/bin/sh", directory_.path() / "garden");
  // A shell takes "server" for its script: it waits there.
  base::write_file_atomically(directory_.path() / "server", "kill -STOP $$");
  base::ChildOptions options;
  options.directory = directory_.path();
  const std::vector<std::string> argv{
      (directory_.path() / "garden").string(), "server", "--depot", depot, "--tag", "zq"};
  const base::ChildProcess garden = base::start_logged(argv, settings_.log_dir() / "garden.log", options);
  base::ChildProcess bbs = base::start_logged(script("bbs", {(settings_.config_dir() / "bbs.json").string()}),
                                              settings_.log_dir() / "b.log");
  fs::remove_all(settings_.var_dir);
  const auto lost = find_lost_cluster("/bin", settings_.var_dir);
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->settings.garden_tag, "zq");
  EXPECT_EQ(lost->cleanup, (std::vector<std::string>{"/bin/garden", "cleanup", "--depot", depot, "--tag", "zq"}));
  EXPECT_THAT(processes_text(*lost), ::testing::HasSubstr("bbs (pid " + std::to_string(bbs.pid()) + ")"));
  EXPECT_FALSE(find_lost_cluster("/bin", settings_.var_dir.string() + "2"));
}

TEST_F(ProcessTable, DoesNotBelieveTheProcessesOfAnotherUser) {
  const auto depot = (settings_.state_dir() / "garden" / "depot").string();
  fs::permissions(directory_.path(), fs::perms::all);
  fs::create_symlink("/bin/sh", directory_.path() / "garden");
  base::write_file_atomically(directory_.path() / "server", "kill -STOP $$", 0644);
  base::ChildOptions options;
  options.directory = directory_.path();
  const std::string program = (directory_.path() / "garden").string();
  const std::vector<std::string> argv{
      "/usr/bin/setpriv", "--reuid=65534", "--clear-groups", program, "server", "--depot", depot};
  base::ChildProcess garden = base::start_logged(argv, (directory_.path() / "other").string(), options);
  // It has become the program once its name says so.
  const std::string comm = "/proc/" + std::to_string(garden.pid()) + "/comm";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (base::read_file(comm) != "garden\n" && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  ASSERT_EQ(base::read_file(comm), "garden\n");
  EXPECT_FALSE(find_lost_cluster("/bin", settings_.var_dir));
}

TEST_F(ProcessTable, EndsWhatIsLeftOfAClusterWithoutFiles) {
  base::ChildProcess bbs = base::start_logged(script("bbs", {(settings_.config_dir() / "bbs.json").string()}),
                                              settings_.log_dir() / "b.log");
  fs::remove_all(settings_.var_dir);
  const auto lost = find_lost_cluster("/bin", settings_.var_dir);
  ASSERT_TRUE(lost);
  end_lost_cluster(*lost);
  EXPECT_TRUE(bbs.wait_for(std::chrono::seconds(20)).has_value());
  EXPECT_FALSE(find_lost_cluster("/bin", settings_.var_dir));
}

TEST_F(ProcessTable, EndsWhatItFoundByForceIfNeedBe) {
  base::ChildProcess stubborn({"/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done", "bbs"});
  RunningProcess process{.pid = stubborn.pid(), .start_time = start_time_of(stubborn.pid()), .arguments = {}};
  terminate_processes({process}, 0);
  EXPECT_TRUE(stubborn.wait_for(std::chrono::seconds(20)).has_value());
}

TEST_F(ProcessTable, DoesNotTouchAProcessThatHasTakenOverAnId) {
  base::ChildProcess other(script("bbs", {}));
  terminate_processes({{.pid = other.pid(), .start_time = "1", .arguments = {}}}, 0);
  EXPECT_EQ(other.try_wait(), std::nullopt);
}

TEST(RunningProcess, GivesTheValuesOfFlags) {
  const RunningProcess garden{
      .pid = 0, .start_time = "", .arguments = {"/bin/garden", "server", "--tag", "ab", "--network-pool=10.0.0.0/24"}};
  EXPECT_EQ(garden.program(), "garden");
  EXPECT_EQ(garden.flag("tag"), "ab");
  EXPECT_EQ(garden.flag("network-pool"), "10.0.0.0/24");
  EXPECT_EQ(garden.flag("port-pool-start"), "");
}

std::string refused_directory(const std::string& directory) {
  Settings settings;
  settings.var_dir = directory;
  try {
    require_usable_directory(settings);
  } catch (const Problem& e) {
    return e.what();
  }
  return "";
}

TEST(Directory, IsRefusedWhereASocketCannotBeNamed) {
  EXPECT_EQ(refused_directory("/" + std::string(86, 'x')), "");
  EXPECT_THAT(refused_directory("/" + std::string(87, 'x')),
              ::testing::HasSubstr("is too long for sockets: it has 88 bytes, at most 87 are possible"));
}

TEST(Directory, MayHaveBlanksAndApostrophes) {
  EXPECT_EQ(refused_directory("/o'brien and sons/var"), "");
  EXPECT_THAT(refused_directory("/a:b"), ::testing::HasSubstr("cannot be used"));
  EXPECT_THAT(refused_directory("/a\nb"), ::testing::HasSubstr("cannot be used"));
}

}  // namespace
}  // namespace rivera::cluster
