// Components are killed at random moments under load; afterwards all is as desired.
#include <filesystem>
#include <random>
#include <signal.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "harness/app.h"
#include "harness/cluster_under_test.h"

namespace rivera::harness {
namespace {

using std::chrono::seconds;

constexpr int kKills = 25;

// The directories of containers in Garden's depot.
std::set<std::string> containers_of(const cluster::Settings& settings) {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(settings.state_dir() / "garden" / "depot")) {
    if (entry.is_directory()) out.insert(entry.path().filename());
  }
  return out;
}

std::set<std::string> instance_guids_of(const RunningApp& app) {
  std::set<std::string> out;
  for (const models::ActualLRP& lrp : app.instances()) out.insert(lrp.actual_lrp_instance_key().instance_guid());
  return out;
}

TEST(Storm, AfterRandomKillsEverythingIsAsDesired) {
  ClusterUnderTest& cluster = ClusterUnderTest::shared();
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  const char* components[] = {"nats", "locket", "bbs", "auctioneer", "garden", "rep", "gorouter", "route-emitter"};
  RunningApp app(cluster, a_web_app(cluster, unique_guid("storm"), 2));
  ASSERT_TRUE(eventually([&] { return app.serves(2); }));
  const auto before = containers_of(cluster.settings());

  for (int i = 0; i < kKills; ++i) {
    const char* victim = components[random() % std::size(components)];
    const pid_t pid = cluster.pid_of(victim);
    if (pid > 1) ::kill(pid, SIGKILL);
    try {
      app.scale(1 + static_cast<int>(random() % 4));
    } catch (const std::exception&) {
      // The BBS is away: the next change counts.
    }
    // Sometimes the next blow comes before the victim is back.
    if (random() % 2 == 0) {
      EXPECT_TRUE(eventually([&] {
        const pid_t successor = cluster.pid_of(victim);
        return successor > 1 && successor != pid;
      })) << victim
          << " is not started again";
    }
  }

  ASSERT_TRUE(eventually([&] {
    app.scale(3);
    return true;
  }));
  EXPECT_TRUE(eventually([&] { return app.serves(3); }, seconds(120)));
  // And nothing else is left of the storm: the containers are those of the instances.
  EXPECT_TRUE(eventually(
      [&] {
        const auto wanted = instance_guids_of(app);
        for (const std::string& handle : containers_of(cluster.settings())) {
          const bool old = before.contains(handle) && !handle.starts_with("executor-");
          const bool is_instance = wanted.contains(handle);
          if (!is_instance && !old) return false;
          if (old && !is_instance && init_pid(handle) != 0) return false;
        }
        return true;
      },
      seconds(60)))
      << ::testing::PrintToString(containers_of(cluster.settings()));
}

}  // namespace
}  // namespace rivera::harness
