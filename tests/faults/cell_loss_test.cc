// Cells that vanish: with their machine, or behind a partition; and what happens when they are back.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/app.h"
#include "harness/machine_cluster.h"

namespace rivera::harness {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::Contains;
using ::testing::ElementsAre;

// The presence's time to live, a convergence, an auction, and the start of a container on a busy machine.
constexpr seconds kReplacementLimit{30};

class CellLoss : public ::testing::Test {
 protected:
  // The instance on a cell; its guid is that of its container.
  static models::ActualLRP on_cell(const RunningApp& app, const std::string& cell) {
    for (const models::ActualLRP& lrp : app.instances()) {
      if (lrp.actual_lrp_instance_key().cell_id() == cell) return lrp;
    }
    return {};
  }
  static std::string guid_on(const RunningApp& app, const std::string& cell) {
    return on_cell(app, cell).actual_lrp_instance_key().instance_guid();
  }
  // All run, all are ordinary, and none is on `cell`.
  static bool runs_without(const RunningApp& app, int count, const std::string& cell) {
    const auto all = app.instances();
    return static_cast<int>(all.size()) == count && std::all_of(all.begin(), all.end(), [&](const auto& lrp) {
             return lrp.state() == "RUNNING" && lrp.presence() == models::ActualLRP::ORDINARY &&
                    lrp.actual_lrp_instance_key().cell_id() != cell;
           });
  }
};

TEST_F(CellLoss, ItsInstancesAreReplacedAndTheReturnedCellHasNoneOfThem) {
  MachineCluster cluster({.cells = {{}, {}}});
  const RunningApp app(cluster, a_web_app(cluster, unique_guid("lost"), 2));
  ASSERT_TRUE(eventually([&] { return app.serves(2); }));
  const std::string lost = guid_on(app, "cell-1");
  const std::string kept = guid_on(app, "cell-2");
  ASSERT_NE(lost, "");
  ASSERT_NE(kept, "");

  cluster.power_off("cell-1");
  const auto since = steady_clock::now();
  ASSERT_TRUE(eventually([&] { return runs_without(app, 2, "cell-1"); }, kReplacementLimit));
  EXPECT_GE(steady_clock::now() - since, seconds(1)) << "a cell is not lost before its presence has expired";
  EXPECT_TRUE(eventually([&] { return app.serves(2); }, seconds(60))) << "routes do not follow";
  EXPECT_THAT(cluster.present_cells(), ElementsAre("cell-2"));

  cluster.boot("cell-1");
  ASSERT_TRUE(eventually([&] { return cluster.present_cells().size() == 2; }));
  EXPECT_TRUE(eventually([&] { return std::ranges::count(cluster.containers_on("cell-1"), lost) == 0; }))
      << "what ran before the power failure is still there";
  EXPECT_TRUE(runs_without(app, 2, "cell-1"));
  EXPECT_THAT(cluster.containers_on("cell-2"), Contains(kept));
  // It takes work again.
  RunningApp more(cluster, a_web_app(cluster, unique_guid("after"), 2));
  EXPECT_TRUE(eventually([&] { return more.serves(2); }));
  EXPECT_NE(guid_on(more, "cell-1"), "");
}

TEST_F(CellLoss, BehindAPartitionWithRoomElsewhereOnlyTheReplacementRemains) {
  MachineCluster cluster({.cells = {{}, {}}});
  const RunningApp app(cluster, a_web_app(cluster, unique_guid("replaced"), 2));
  ASSERT_TRUE(eventually([&] { return app.serves(2); }));
  const std::string cut_off = guid_on(app, "cell-1");
  ASSERT_NE(cut_off, "");

  cluster.isolate("cell-1");
  ASSERT_TRUE(eventually([&] { return runs_without(app, 2, "cell-1"); }, kReplacementLimit));
  EXPECT_THAT(cluster.containers_on("cell-1"), Contains(cut_off)) << "a cell that is cut off keeps its work";
  EXPECT_TRUE(eventually([&] { return app.serves(2); }));

  cluster.heal();
  EXPECT_TRUE(eventually([&] { return std::ranges::count(cluster.containers_on("cell-1"), cut_off) == 0; }))
      << "the returned cell still runs what was replaced";
  EXPECT_TRUE(eventually([&] { return cluster.present_cells().size() == 2; }));
  EXPECT_TRUE(runs_without(app, 2, "cell-1"));
  EXPECT_TRUE(eventually([&] { return app.serves(2); }));
}

TEST_F(CellLoss, BehindAPartitionWithoutRoomElsewhereItsInstancesAreSuspectAndComeBack) {
  // Each cell has room for one.
  MachineCluster cluster({.cells = {{}, {}}});
  models::DesiredLRP lrp = a_web_app(cluster, unique_guid("suspect"), 2);
  lrp.set_memory_mb(700);
  const RunningApp app(cluster, lrp);
  ASSERT_TRUE(eventually([&] { return app.serves(2); }));
  const std::string cut_off = guid_on(app, "cell-1");
  ASSERT_NE(cut_off, "");

  cluster.isolate("cell-1");
  ASSERT_TRUE(
      eventually([&] { return on_cell(app, "cell-1").presence() == models::ActualLRP::SUSPECT; }, kReplacementLimit));
  EXPECT_EQ(guid_on(app, "cell-1"), cut_off);
  EXPECT_TRUE(eventually([&] {
    const auto all = app.instances();
    return std::ranges::any_of(all, [](const auto& each) {
      return each.placement_error().find("insufficient resources: memory") != std::string::npos;
    });
  })) << "its replacement is not asked for";

  cluster.heal();
  EXPECT_TRUE(eventually([&] {
    const models::ActualLRP back = on_cell(app, "cell-1");
    return app.instances().size() == 2 && back.presence() == models::ActualLRP::ORDINARY && back.state() == "RUNNING";
  }));
  EXPECT_EQ(guid_on(app, "cell-1"), cut_off);
  EXPECT_THAT(cluster.containers_on("cell-1"), Contains(cut_off));
  EXPECT_TRUE(eventually([&] { return app.serves(2); }));
}

}  // namespace
}  // namespace rivera::harness
