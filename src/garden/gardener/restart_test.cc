// Containers outlive the server (docs/architecture.md §1, decision 4).
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "base/process/subprocess.h"
#include "garden/testing/test_garden.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

class Restart : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
    garden_ = std::make_unique<TestGarden>();
  }
  clients::GardenClient& client() { return garden_->client(); }
  // Starts a process named "app" that waits for /tmp/go.
  void start_app(const std::string& handle, const std::string& script) {
    auto spec = shell("echo begun; while [ ! -e /tmp/go ]; do sleep 0.05; done; " + script);
    spec.id = "app";
    ASSERT_TRUE(garden_->begin(handle, spec)->prints("begun\n"));
  }
  int attach_and_wait(const std::string& handle, std::string& output) {
    const auto app = garden_->attach(handle, "app");
    const int status = app->wait();
    output = app->output;
    return status;
  }

  std::unique_ptr<TestGarden> garden_;
};

TEST_F(Restart, AProcessKeepsRunningWhenGardenIsKilledAndItsExitIsKnownAfterwards) {
  api::ContainerSpec spec;
  spec.handle = "kept";
  spec.properties = {{"owner", "me"}};
  spec.netin = {{0, 8080}};
  garden_->create(spec);
  garden_->await(client().set_property("kept", "later", "set"));
  start_app("kept", "echo finished; exit 9");
  const auto before = garden_->await(client().info("kept"));
  garden_->kill();
  garden_->start();
  const auto after = garden_->await(client().info("kept"));
  EXPECT_EQ(after.properties, before.properties);
  EXPECT_EQ(after.mapped_ports, before.mapped_ports);
  EXPECT_EQ(garden_->run("kept", "touch /tmp/go").status, 0);
  std::string output;
  EXPECT_EQ(attach_and_wait("kept", output), 9);
  EXPECT_EQ(output, "finished\n");
  EXPECT_GT(garden_->await(client().metrics("kept")).cpu.usage, 0u);
}

TEST_F(Restart, AnExitWhileGardenIsDownIsNotLost) {
  garden_->create_named("kept");
  start_app("kept", "echo while you were out; exit 11");
  const std::string container_root = "/proc/" + base::read_file(garden_->depot() + "/kept/pidfile") + "/root";
  garden_->kill();
  std::ofstream(container_root + "/tmp/go") << "";
  EXPECT_TRUE(garden_->eventually([&] { return fs::exists(garden_->depot() + "/kept/processes/app/exitcode"); }));
  garden_->start();
  std::string output;
  EXPECT_EQ(attach_and_wait("kept", output), 11);
  EXPECT_EQ(output, "while you were out\n");
  std::string again;
  EXPECT_EQ(attach_and_wait("kept", again), 11);
}

TEST_F(Restart, AnOrderlyStopLeavesContainersAlone) {
  garden_->create_named("kept");
  start_app("kept", "exit 4");
  std::string output;
  const auto app = garden_->attach("kept", "app");
  garden_->terminate();
  EXPECT_THROW(app->wait(), net::TransportError);
  garden_->start();
  EXPECT_EQ(garden_->await(client().containers()), std::vector<std::string>{"kept"});
  garden_->run("kept", "touch /tmp/go");
  EXPECT_EQ(attach_and_wait("kept", output), 4);
}

TEST_F(Restart, AddressesAndPortsOfKeptContainersStayTheirs) {
  api::ContainerSpec spec;
  spec.handle = "first", spec.netin = {{0, 80}};
  garden_->create(spec);
  garden_->kill();
  garden_->start();
  spec.handle = "second";
  garden_->create(spec);
  const auto first = garden_->await(client().info("first")), second = garden_->await(client().info("second"));
  EXPECT_NE(first.container_ip, second.container_ip);
  EXPECT_NE(first.mapped_ports.at(0).host_port, second.mapped_ports.at(0).host_port);
}

TEST_F(Restart, EveryAcknowledgedPropertyIsKept) {
  constexpr int kMany = 50;
  garden_->create_named("kept");
  int acknowledged = 0;
  for (int i = 0; i < kMany; ++i) {
    asio::co_spawn(garden_->context(), client().set_property("kept", "key-" + std::to_string(i), "value"),
                   [&](std::exception_ptr e) { acknowledged += e ? 0 : 1; });
  }
  EXPECT_TRUE(garden_->eventually([&] { return acknowledged == kMany; }));
  garden_->kill();
  garden_->start();
  const auto properties = garden_->await(client().properties("kept"));
  for (int i = 0; i < kMany; ++i) EXPECT_TRUE(properties.contains("key-" + std::to_string(i))) << i;
}

TEST_F(Restart, AShimIsIdleWhenGardenIsKilledWithUnreadInput) {
  garden_->create_named("kept");
  const auto process = garden_->begin("kept", shell("echo on; sleep 1000"));
  ASSERT_TRUE(process->prints("on\n"));
  bool has_ended = false;
  asio::co_spawn(garden_->context(), process->process->write_input(std::string(8u << 20, 'x')),
                 [&](std::exception_ptr) { has_ended = true; });
  // Long enough for the shim's queue and the sockets to fill up.
  garden_->await(base::sleep_for(std::chrono::seconds(1)));
  garden_->kill();
  EXPECT_TRUE(garden_->eventually([&] { return has_ended; }));
  const std::string shim = base::must_run({"pgrep", "-f", "garden-shim supervise " + garden_->depot() + "/kept"});
  const auto ticks = [&] {
    std::istringstream stat(base::read_file("/proc/" + std::to_string(std::stol(shim)) + "/stat"));
    std::string field;
    for (int i = 0; i < 13; ++i) stat >> field;
    long user = 0, system = 0;
    stat >> user >> system;
    return user + system;
  };
  const long before = ticks();
  garden_->await(base::sleep_for(std::chrono::seconds(1)));
  EXPECT_LT(ticks() - before, 5);  // of 100
  garden_->start();
}

TEST_F(Restart, AContainerWhoseShimDiedIsDestroyed) {
  garden_->create_named("broken");
  const auto process = garden_->begin("broken", shell("echo on; sleep 1000"));
  ASSERT_TRUE(process->prints("on\n"));
  const std::string shim = base::must_run({"pgrep", "-f", "garden-shim supervise " + garden_->depot() + "/broken"});
  ::kill(static_cast<pid_t>(std::stol(shim)), SIGKILL);
  EXPECT_THROW(process->wait(), api::GardenError);
  garden_->kill();
  garden_->start();
  EXPECT_TRUE(garden_->eventually([&] {
    return garden_->await(client().containers({{"garden.state", "all"}})).empty();
  }));
  garden_->terminate();
  EXPECT_EQ(garden_->clean_up(), 0);
  EXPECT_EQ(garden_->left_overs(), std::vector<std::string>{});
}

TEST_F(Restart, AContainerWithABrokenRecordIsDestroyed) {
  garden_->create_named("good");
  fs::create_directories(garden_->depot() + "/half");
  std::ofstream(garden_->depot() + "/half/state.json") << "{\"handle\": \"ha";
  garden_->kill();
  garden_->start();
  EXPECT_TRUE(garden_->eventually([&] { return !fs::exists(garden_->depot() + "/half"); }));
  EXPECT_EQ(garden_->await(client().containers({{"garden.state", "all"}})), std::vector<std::string>{"good"});
}

TEST_F(Restart, TheDeathOfAContainersFirstProcessIsNoticedAtOnce) {
  garden_->create_named("dying");
  const auto process = garden_->begin("dying", shell("echo on; sleep 1000"));
  ASSERT_TRUE(process->prints("on\n"));
  const auto before = std::chrono::steady_clock::now();
  ::kill(static_cast<pid_t>(std::stol(base::read_file(garden_->depot() + "/dying/pidfile"))), SIGKILL);
  EXPECT_EQ(process->wait(), 128 + 9);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(2));
  EXPECT_THROW(garden_->run("dying", "true"), api::GardenError);
  garden_->await(client().destroy("dying"));
}

}  // namespace
}  // namespace rivera::garden
