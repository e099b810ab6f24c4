#include "cluster/prepare/holdings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/prepare/preflight.h"

namespace rivera::cluster {
namespace {

using ::testing::HasSubstr;

Settings cluster_in(const std::string& directory) {
  Settings settings;
  settings.var_dir = directory;
  settings.chosen = {"garden_tag", "network_pool", "port_pool"};
  return settings;
}

Holding holding_of(const Settings& settings) {
  return {.owner = "the cluster in " + settings.var_dir.string(),
          .tag = settings.garden_tag,
          .network_pool = settings.network_pool,
          .first_port = settings.port_pool_start,
          .port_count = settings.port_pool_size};
}

std::string refusal(const Settings& settings, const Holding& held) {
  try {
    require_unheld(settings, {held});
  } catch (const Problem& e) {
    return e.what();
  }
  return "";
}

TEST(Holdings, ClustersOfOneMachineGetDifferentOnes) {
  std::vector<Holding> held;
  for (int i = 0; i < 6; ++i) {
    Settings settings = cluster_in("/srv/rivera/" + std::to_string(i));
    choose_holdings(settings, held, true);
    EXPECT_NO_THROW(require_unheld(settings, held));
    EXPECT_NO_THROW(check_settings(settings));
    held.push_back(holding_of(settings));
  }
}

TEST(Holdings, FollowFromTheDirectory) {
  Settings once = cluster_in("/srv/rivera/var");
  Settings again = cluster_in("/srv/rivera/var");
  choose_holdings(once, {}, true);
  choose_holdings(again, {}, true);
  EXPECT_EQ(once.garden_tag, again.garden_tag);
  EXPECT_EQ(once.network_pool, again.network_pool);
}

TEST(Holdings, StayUntilAnotherHasThem) {
  Settings settings = cluster_in("/srv/rivera/var");
  choose_holdings(settings, {}, true);
  const Holding before = holding_of(settings);
  choose_holdings(settings, {}, false);
  EXPECT_EQ(settings.garden_tag, before.tag);
  choose_holdings(settings, {before}, false);
  EXPECT_EQ(refusal(settings, before), "");
}

TEST(Holdings, ThatTheUserNamedAreRefusedAndNotChanged) {
  Settings settings = cluster_in("/srv/rivera/var");
  apply_setting(settings, "garden_tag", "ab");
  apply_setting(settings, "network_pool", "10.9.0.0/24");
  apply_setting(settings, "port_pool_size", "100");
  EXPECT_TRUE(settings.chosen.empty());
  const Settings before = settings;
  const Holding none{.owner = "the cluster in /other", .tag = "", .network_pool = ""};
  Holding tag = none, network = none, ports = none;
  tag.tag = "ab";
  network.network_pool = "10.9.0.128/25";
  ports.first_port = settings.port_pool_start - 10u;
  ports.port_count = 11;
  choose_holdings(settings, {tag, network, ports}, true);
  EXPECT_EQ(settings.garden_tag, before.garden_tag);
  EXPECT_EQ(settings.network_pool, before.network_pool);
  EXPECT_EQ(settings.port_pool_start, before.port_pool_start);
  EXPECT_EQ(refusal(settings, none), "");
  EXPECT_THAT(refusal(settings, tag),
              HasSubstr("held by the cluster in /other: choose another with --set garden_tag="));
  EXPECT_THAT(refusal(settings, network), HasSubstr("--set network_pool="));
  EXPECT_THAT(refusal(settings, ports), HasSubstr("--set port_pool_start="));
  ports.port_count = 10;
  EXPECT_EQ(refusal(settings, ports), "") << "it ends just below";
}

}  // namespace
}  // namespace rivera::cluster
