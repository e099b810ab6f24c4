// The machines that the tests of several machines use.
#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "harness/app.h"
#include "harness/leftovers.h"
#include "harness/machine_cluster.h"
#include "harness/machine_network.h"

namespace rivera::harness {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

class Machines : public ::testing::Test {
 protected:
  Machines() : switch_("switch", make("switch"), {}) {
    switch_.boot();
    network_ = std::make_unique<MachineNetwork>(switch_);
    for (Machine* machine : {&first_, &second_}) machine->boot();
    network_->attach(first_, kFirst, milliseconds(0));
    network_->attach(second_, kSecond, kDelay);
  }

  fs::path make(const std::string& name) {
    fs::create_directories(directory_.path() / name);
    return directory_.path() / name;
  }
  static bool reaches(Machine& machine, const std::string& address) {
    const std::string pid = std::to_string(machine.first_process());
    const std::string connect = "exec 3<>/dev/tcp/" + address + "/9";
    // No server listens there: a refused connection is an answer.
    constexpr int kTimedOut = 124;
    return base::run_command({"nsenter", "--target", pid, "--net", "timeout", "1", "bash", "-c", connect})
               .exit_status != kTimedOut;
  }

  static fs::path process_space(const Machine& machine) {
    return fs::read_symlink(fmt::format("/proc/{}/ns/pid", machine.first_process()));
  }
  // The states of the processes there, sorted: a letter each.
  static std::string states(const fs::path& space) {
    std::string out;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      std::error_code ec;
      if (fs::read_symlink(entry.path() / "ns" / "pid", ec) != space || ec) continue;
      std::ifstream stat(entry.path() / "stat");
      std::string line;
      std::getline(stat, line);
      const auto name_end = line.rfind(") ");
      if (name_end != std::string::npos) out += line[name_end + 2];
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  static constexpr char kFirst[] = "10.77.1.1";
  static constexpr char kSecond[] = "10.77.1.2";
  static constexpr milliseconds kDelay{60};

  base::TemporaryDirectory directory_;
  Machine switch_;
  Machine first_{"first", make("first"), {.hosts = "127.0.0.1 localhost\n10.77.1.2 second\n", .resolv_conf = ""}};
  Machine second_{"second", make("second"), {}};
  std::unique_ptr<MachineNetwork> network_;
};

TEST_F(Machines, HaveNamesOfTheirOwn) {
  first_.run("names", {"sh", "-c", "hostname; cat /etc/hosts; ls /sys/class/net"});
  EXPECT_THAT(base::read_file(first_.log_file("names")),
              HasSubstr("first\n127.0.0.1 localhost\n10.77.1.2 second\neth0\nlo\n"));
}

TEST_F(Machines, FramesTakeTheDelayOfTheLinkEachWay) {
  ASSERT_TRUE(reaches(first_, kSecond));
  const auto before = steady_clock::now();
  ASSERT_TRUE(reaches(first_, kSecond));
  EXPECT_GE(steady_clock::now() - before, 2 * kDelay);
}

TEST_F(Machines, ThatAreCutOffReachEachOtherAgainWhenHealed) {
  ASSERT_TRUE(reaches(first_, kSecond));
  network_->cut(kFirst, kSecond);
  EXPECT_FALSE(reaches(first_, kSecond));
  EXPECT_FALSE(reaches(second_, kFirst));
  network_->heal();
  EXPECT_TRUE(reaches(first_, kSecond));
}

TEST_F(Machines, EndWithAllTheirProcessesWhenKilled) {
  first_.start("sleeper", {"sh", "-c", "sleep 1000 & exec sleep 1000"});
  const fs::path space = process_space(first_);
  ASSERT_TRUE(eventually([&] { return states(space) == "SSS"; }));
  first_.kill();
  EXPECT_EQ(states(space), "");
  first_.boot();
  network_->attach(first_, kFirst, milliseconds(0));
  EXPECT_TRUE(eventually([&] { return reaches(second_, kFirst); }));
}

TEST_F(Machines, StartAgainWhatEndsUnlessTheTestHasEndedIt) {
  first_.start("flapping", {"sh", "-c", "exit 3"});
  EXPECT_TRUE(eventually([&] { return first_.state_of("flapping").starts >= 2; }));
  EXPECT_EQ(first_.state_of("flapping").end, "exit status 3");
  first_.start("steady", {"sleep", "1000"});
  first_.kill("steady");
  EXPECT_EQ(first_.state_of("steady").end, "killed by signal 9");
  EXPECT_EQ(first_.state_of("steady").starts, 1);
}

TEST_F(Machines, StopAllProcessesButTheFirstWhilePaused) {
  first_.start("sleeper", {"sh", "-c", "sleep 1000 & exec sleep 1000"});
  const fs::path space = process_space(first_);
  ASSERT_TRUE(eventually([&] { return states(space) == "SSS"; }));
  first_.pause();
  EXPECT_TRUE(eventually([&] { return states(space) == "STT"; }));
  first_.resume();
  EXPECT_TRUE(eventually([&] { return states(space) == "SSS"; }));
}

TEST(AbandonedCluster, IsRemovedWhenTheNextOneStarts) {
  // What a killed test program leaves: a directory with its name, and control groups of its tags.
  const fs::path abandoned = "/var/tmp/rivera-machines-999999999-1-abcdef";
  fs::create_directories(abandoned);
  const std::string tag = take_garden_tag(abandoned);
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup")) {
    std::error_code ec;
    fs::create_directory(hierarchy.path() / ("garden-" + tag), ec);
  }
  const auto groups = control_groups_of(abandoned);
  ASSERT_THAT(groups, Not(IsEmpty()));
  const fs::path next = make_cluster_directory();
  EXPECT_FALSE(fs::exists(abandoned));
  EXPECT_TRUE(std::ranges::none_of(groups, [](const auto& group) { return fs::exists(group); }));
  remove_cluster_directory(next);
}

// A test program in its own right that is killed in the middle of its test.
pid_t start_cluster_in_child() {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  base::UniqueFd ours(ends[0]), theirs(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    {
      const MachineCluster cluster{ClusterPlan{}};
      const RunningApp app(cluster, a_web_app(cluster, unique_guid("orphan"), 1));
      if (eventually([&] { return app.serves(1); }) && ::write(theirs.get(), "1", 1) != 1) ::_exit(2);
      ::pause();
    }
    ::_exit(1);
  }
  theirs.reset();
  char ready = 0;
  EXPECT_EQ(::read(ours.get(), &ready, 1), 1) << "the cluster in the child does not come up";
  return child;
}

fs::path directory_of(pid_t owner) {
  for (const auto& entry : fs::directory_iterator("/var/tmp")) {
    const std::string name = entry.path().filename();
    if (name.starts_with(fmt::format("rivera-machines-{}-", owner))) return entry.path();
  }
  return {};
}

// Processes whose command line names the directory, or that are in a container of it.
int processes_of(const fs::path& directory) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    const std::string command((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    count += command.find(directory.string()) != std::string::npos ? 1 : 0;
  }
  for (const std::string& group : control_groups_of(directory)) {
    for (const auto& entry : fs::recursive_directory_iterator(group)) {
      if (entry.path().filename() == "cgroup.procs") count += base::read_file(entry.path()).empty() ? 0 : 1;
    }
  }
  return count;
}

TEST(KilledTest, LeavesNoProcessAndTheNextOneRemovesTheRest) {
  const pid_t child = start_cluster_in_child();
  const fs::path directory = directory_of(child);
  ASSERT_NE(directory, fs::path());
  EXPECT_GT(processes_of(directory), 5);
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(eventually([&] { return processes_of(directory) == 0; }));
  const auto groups = control_groups_of(directory);
  EXPECT_THAT(groups, Not(IsEmpty()));
  remove_cluster_directory(make_cluster_directory());
  EXPECT_FALSE(fs::exists(directory));
  EXPECT_TRUE(std::ranges::none_of(groups, [](const auto& group) { return fs::exists(group); }));
}

}  // namespace
}  // namespace rivera::harness
