// A cell is emptied without an interruption of its applications.
#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/app.h"
#include "harness/background.h"
#include "harness/machine_cluster.h"

namespace rivera::harness {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Evacuation, MovesInstancesWithoutAFailedRequestAndEndsTheRep) {
  MachineCluster cluster({.cells = {{}, {}}});
  const RunningApp app(cluster, a_web_app(cluster, unique_guid("moved"), 2));
  ASSERT_TRUE(eventually([&] { return app.serves(2); }));
  const auto is_on = [&](const std::string& cell) {
    const auto all = app.instances();
    return std::ranges::any_of(all, [&](const auto& lrp) { return lrp.actual_lrp_instance_key().cell_id() == cell; });
  };
  ASSERT_TRUE(is_on("cell-1"));

  Background visitor([&] {
    const net::HttpResponse response = cluster.get(app.hostname());
    if (response.status != 200) throw std::runtime_error(fmt::format("{} {}", response.status, response.body));
  });
  cluster.evacuate("cell-1");
  EXPECT_TRUE(eventually([&] { return cluster.machine("cell-1").state_of("rep").pid == 0; }));
  EXPECT_EQ(cluster.machine("cell-1").state_of("rep").end, "exit status 0");
  EXPECT_TRUE(eventually([&] { return app.serves(2) && !is_on("cell-1"); }));
  const int at_end = visitor.steps();
  EXPECT_TRUE(eventually([&] { return visitor.steps() > at_end + 20; }));
  EXPECT_THAT(visitor.stop(), IsEmpty());
  EXPECT_THAT(cluster.containers_on("cell-1"), IsEmpty());
  EXPECT_THAT(cluster.present_cells(), ElementsAre("cell-2"));
}

}  // namespace
}  // namespace rivera::harness
