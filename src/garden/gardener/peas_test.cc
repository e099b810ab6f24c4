// Processes with an image of their own (docs/spec/garden.md §2.14).
#include <csignal>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/process/subprocess.h"
#include "garden/testing/test_garden.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

class RealPeas : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
  }
  void start(std::vector<std::string> flags = {}) {
    garden_ = std::make_unique<TestGarden>(std::move(flags));
    image_ = garden_->directory() + "/sidecar";
    base::must_run({"cp", "-a", garden_->rootfs(), image_});
    std::ofstream(image_ + "/etc/sidecar") << "of the sidecar\n";
    std::ofstream(image_ + "/etc/passwd") << "root:x:0:0:root:/root:/bin/sh\nproxy:x:1500:1600:p:/home/proxy:/bin/sh\n";
  }
  clients::GardenClient& client() { return garden_->client(); }

  // `sh -c <script>` in the sidecar's image.
  api::ProcessSpec pea(const std::string& script, const std::string& id = "") {
    auto spec = shell(script);
    spec.id = id;
    spec.image.uri = image_;
    return spec;
  }
  std::vector<std::string> groups_named(const std::string& name) {
    std::vector<std::string> found;
    std::istringstream lines(base::run_command({"find", "/sys/fs/cgroup/memory", "-type", "d", "-path",
                                                "*/garden-" + garden_->options().tag + "/*", "-name", name})
                                 .output);
    for (std::string line; std::getline(lines, line);) found.push_back(line);
    return found;
  }
  bool is_mounted(const std::string& id) {
    return base::read_file("/proc/self/mounts").find(garden_->options().run_dir + "/rootfs/" + id + " ") !=
           std::string::npos;
  }
  bool is_removed(const std::string& id) { return groups_named(id).empty() && !is_mounted(id); }
  std::string failure_of(const std::string& handle, const api::ProcessSpec& spec) {
    try {
      garden_->run(handle, spec);
    } catch (const api::GardenError& e) {
      return e.what();
    }
    return "no failure";
  }

  std::unique_ptr<TestGarden> garden_;
  std::string image_;
};

TEST_F(RealPeas, HaveTheirOwnFilesAndTheContainersNetworkProcessesAndNames) {
  start();
  const auto handle = garden_->create();
  const auto app = garden_->begin(handle, shell("echo on; exec sleep 1000"));
  ASSERT_TRUE(app->prints("on\n"));
  garden_->run(handle, "echo mine > /tmp/file");
  const std::string map = garden_->run(handle, "head -n 1 /proc/self/uid_map").output;
  const auto finished = garden_->run(handle, pea("cat /etc/sidecar; ls /tmp; hostname; ps -o comm | grep -c '^sleep'; "
                                                 "cat /proc/net/dev | grep -c w; cat /proc/self/uid_map | head -1; "
                                                 "grep -c localhost /etc/hosts; [ $$ != 1 ] && echo not-init; pwd"));
  EXPECT_EQ(finished.status, 0) << finished.error;
  EXPECT_EQ(finished.output, "of the sidecar\n" + handle + "\n1\n1\n" + map + "1\nnot-init\n/\n");
  const std::string address = garden_->await(client().info(handle)).container_ip;
  EXPECT_NE(garden_->run(handle, pea("ip addr")).output.find(address), std::string::npos);
}

TEST_F(RealPeas, AreConfinedAsTheirContainerIs) {
  start({"--no-new-privileges", "--deny-raw-sockets"});
  const auto handle = garden_->create();
  const std::string look = "grep -E 'CapBnd|CapEff|Seccomp:|NoNewPrivs' /proc/self/status; ls /sys/firmware | wc -l";
  const auto own = garden_->run(handle, pea(look));
  EXPECT_EQ(own.output, garden_->run(handle, look).output);
  EXPECT_NE(own.output.find("Seccomp:\t2\n"), std::string::npos) << own.output;
  EXPECT_NE(garden_->run(handle, pea("mount -t tmpfs none /tmp")).status, 0);
}

TEST_F(RealPeas, HaveTheUserEnvironmentDirectoryAndMountsOfTheirSpec) {
  start();
  const std::string shared = garden_->directory() + "/shared";
  fs::create_directories(shared);
  std::ofstream(shared + "/file") << "bound\n";
  api::ContainerSpec container;
  container.env = {"OF_CONTAINER=1"};
  const auto handle = garden_->create(container);
  auto spec = pea(
      "id -u; id -g; pwd; env | grep -c OF_; cat /bound/file; touch /bound/new || echo read-only; ulimit -n", "spec");
  spec.user = "1700:1800";
  spec.dir = "/bin/../etc";
  spec.env = {"OF_PROCESS=1"};
  spec.bind_mounts = {{shared, "/bound", false}};
  spec.rlimits.nofile = 321;
  const auto finished = garden_->run(handle, spec);
  EXPECT_EQ(finished.output, "1700\n1800\n/etc\n1\nbound\nread-only\n321\n") << finished.error;
  auto named = pea("id -u; id -g; echo $HOME; pwd");
  named.user = "proxy";
  named.dir = "/no/such/directory";
  EXPECT_EQ(garden_->run(handle, named).output, "1500\n1600\n/home/proxy\n/\n");
  auto with_group = pea("true");
  with_group.user = "proxy:extra";
  EXPECT_EQ(failure_of(handle, with_group),
            "1 error occurred:\n\t* parse-user: 'proxy:extra' is not a valid uid:gid\n\n");
  with_group.user = "nobody-here";
  EXPECT_NE(failure_of(handle, with_group).find("unable to find user nobody-here"), std::string::npos);
}

TEST_F(RealPeas, WithoutLimitsAreWithinTheContainersAndWithLimitsHaveTheirOwn) {
  start();
  api::ContainerSpec small;
  small.limits.memory.limit_in_bytes = 40u << 20;
  const auto handle = garden_->create(small);
  const std::string wait = "echo on; sleep 1000";
  const auto inside = garden_->begin(handle, pea(wait, "inside"));
  auto outside_spec = pea(wait, "outside");
  outside_spec.limits = api::ProcessLimits{};
  outside_spec.limits->memory.limit_in_bytes = 30u << 20;
  const auto outside = garden_->begin(handle, outside_spec);
  auto free_spec = pea("head -c 60000000 /dev/zero | tail -c 60000000 | wc -c", "free");
  free_spec.limits = api::ProcessLimits{};
  ASSERT_TRUE(inside->prints("on\n") && outside->prints("on\n"));
  ASSERT_EQ(groups_named("inside").size(), 1u);
  ASSERT_EQ(groups_named("outside").size(), 1u);
  EXPECT_EQ(fs::path(groups_named("inside")[0]).parent_path().filename(), handle);
  EXPECT_NE(fs::path(groups_named("outside")[0]).parent_path().filename(), handle);
  EXPECT_EQ(base::read_file(groups_named("outside")[0] + "/memory.limit_in_bytes"), std::to_string(30u << 20) + "\n");
  EXPECT_EQ(garden_->run(handle, free_spec).output, "60000000\n");
  EXPECT_TRUE(garden_->await(client().info(handle)).events.empty());
  auto greedy = pea("exec tail /dev/zero", "greedy");
  EXPECT_EQ(garden_->run(handle, greedy).status, 128 + 9);
  EXPECT_EQ(garden_->await(client().info(handle)).events, std::vector<std::string>{"Out of memory"});
}

TEST_F(RealPeas, ThatRunOutOfTheirOwnMemoryAreNotReportedAgainstTheContainer) {
  start();
  const auto handle = garden_->create();
  auto greedy = pea("exec tail /dev/zero");
  greedy.limits = api::ProcessLimits{};
  greedy.limits->memory.limit_in_bytes = 20u << 20;
  EXPECT_EQ(garden_->run(handle, greedy).status, 128 + 9);
  EXPECT_TRUE(garden_->await(client().info(handle)).events.empty());
}

TEST_F(RealPeas, AreMeasuredByTheirOwnId) {
  start();
  const auto handle = garden_->create();
  const auto running =
      garden_->begin(handle, pea("i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; echo on; sleep 1000", "measured"));
  ASSERT_TRUE(running->prints("on\n"));
  const auto metrics = garden_->await(client().metrics("measured"));
  EXPECT_GT(metrics.cpu.usage, 1'000'000u);
  EXPECT_EQ(metrics.cpu_entitlement, 0u);
  EXPECT_GT(metrics.age_ns, 0);
  const auto bulk = garden_->await(client().bulk_metrics({"measured", handle}));
  EXPECT_GT(bulk.at("measured").value.pid.current, 0u);
  EXPECT_EQ(garden_->await(client().containers({{"garden.state", "all"}})), std::vector<std::string>{handle});
}

TEST_F(RealPeas, LeaveNothingOnceTheyHaveEndedWithOrWithoutAClient) {
  start({"--cleanup-process-dirs-on-wait"});
  const auto handle = garden_->create();
  // As a readiness check: the same id again and again.
  for (int i = 0; i < 4; ++i) EXPECT_EQ(garden_->run(handle, pea("exit 3", "again")).status, 3);
  EXPECT_TRUE(garden_->eventually([&] { return is_removed("again"); }));
  auto left = garden_->begin(handle, pea("echo on; while [ ! -e /tmp/go ]; do usleep 50000; done", "left"));
  ASSERT_TRUE(left->prints("on\n"));
  const std::string root = "/proc/" + base::read_file(garden_->depot() + "/" + handle + "/processes/left/pidfile");
  left.reset();
  EXPECT_FALSE(is_removed("left"));
  std::ofstream(root + "/root/tmp/go") << "";
  EXPECT_TRUE(garden_->eventually([&] { return is_removed("left"); }));
}

TEST_F(RealPeas, ThatCannotStartLeaveNothingAndSayWhy) {
  start();
  const auto handle = garden_->create();
  auto spec = pea("true", "broken");
  spec.path = "/no/such/program";
  const std::string failure = failure_of(handle, spec);
  EXPECT_TRUE(failure.starts_with("1 error occurred:\n\t* ")) << failure;
  spec = pea("true", "broken");
  spec.image.uri = "/no/such/image";
  EXPECT_NE(failure_of(handle, spec).find("/no/such/image"), std::string::npos);
  EXPECT_TRUE(is_removed("broken"));
  EXPECT_EQ(garden_->run(handle, pea("echo well", "broken")).output, "well\n");
}

TEST_F(RealPeas, HaveAnIdOfTheirOwn) {
  start();
  garden_->create_named("one");
  garden_->create_named("two");
  const auto running = garden_->begin("one", pea("echo on; sleep 1000", "p"));
  ASSERT_TRUE(running->prints("on\n"));
  const std::string in_use = "process ID 'p' already in use";
  EXPECT_EQ(failure_of("one", pea("true", "p")), in_use);
  EXPECT_EQ(failure_of("two", pea("true", "p")), in_use);
  EXPECT_EQ(failure_of("two", pea("true", "one")), "process ID 'one' already in use");
  EXPECT_THROW(garden_->create_named("p"), api::GardenError);
}

TEST_F(RealPeas, AreKilledWithTheirContainer) {
  start();
  const auto handle = garden_->create();
  auto own = pea("echo on; sleep 1000", "own");
  own.limits = api::ProcessLimits{};
  const auto one = garden_->begin(handle, pea("echo on; sleep 1000", "shared"));
  const auto two = garden_->begin(handle, own);
  ASSERT_TRUE(one->prints("on\n") && two->prints("on\n"));
  garden_->await(client().destroy(handle));
  EXPECT_EQ(one->wait(), 128 + 9);
  EXPECT_EQ(two->wait(), 128 + 9);
  EXPECT_TRUE(is_removed("shared") && is_removed("own"));
  EXPECT_EQ(garden_->left_overs_of_containers(), std::vector<std::string>{});
}

TEST_F(RealPeas, OutliveTheServerAndAreRemovedIfTheyEndMeanwhile) {
  start();
  const auto handle = garden_->create();
  for (const char* id : {"stays", "ends"}) {
    const auto running =
        garden_->begin(handle, pea("echo on; while [ ! -e /tmp/go ]; do usleep 50000; done; echo off; exit 6", id));
    ASSERT_TRUE(running->prints("on\n"));
  }
  const auto root = [&](const std::string& id) {
    return "/proc/" + base::read_file(garden_->depot() + "/" + handle + "/processes/" + id + "/pidfile") + "/root";
  };
  garden_->kill();
  std::ofstream(root("ends") + "/tmp/go") << "";
  const std::string exit_file = garden_->depot() + "/" + handle + "/processes/ends/exitcode";
  ASSERT_TRUE(garden_->eventually([&] { return fs::exists(exit_file); }));
  garden_->start();
  EXPECT_TRUE(garden_->eventually([&] { return is_removed("ends"); }));
  EXPECT_FALSE(is_removed("stays"));
  const auto again = garden_->attach(handle, "stays");
  std::ofstream(root("stays") + "/tmp/go") << "";
  EXPECT_EQ(again->wait(), 6);
  EXPECT_EQ(garden_->attach(handle, "ends")->wait(), 6);
  EXPECT_TRUE(garden_->eventually([&] { return is_removed("stays"); }));
}

}  // namespace
}  // namespace rivera::garden
