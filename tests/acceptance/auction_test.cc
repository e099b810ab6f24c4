// The auction on a cluster of several cells: where it places instances, and the placement errors if no cell can take
// one.
#include <algorithm>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/app.h"
#include "harness/machine_cluster.h"

namespace rivera::harness {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class Auction : public ::testing::Test {
 protected:
  // Instances by cell.
  static std::map<std::string, int> cells_of(const RunningApp& app) {
    std::map<std::string, int> out;
    for (const models::ActualLRP& lrp : app.instances()) ++out[lrp.actual_lrp_instance_key().cell_id()];
    return out;
  }
  models::DesiredLRP a_sleeper(const std::string& name, int instances) const {
    models::DesiredLRP lrp = a_process(cluster_, unique_guid(name), "exec sleep 1000");
    lrp.set_instances(instances);
    return lrp;
  }

  MachineCluster cluster_{{.cells = {{.zone = "z1"},
                                     {.zone = "z1"},
                                     {.zone = "z2", .delay = std::chrono::milliseconds(20)},
                                     {.zone = "z2", .placement_tags = {"gpu"}}}}};
};

TEST_F(Auction, SpreadsOverZonesAndThenCellsAndReportsPlacementErrors) {
  {
    // Each zone gets two; in z1 there are two cells for them, and in z2 one without a tag.
    const RunningApp app(cluster_, a_web_app(cluster_, unique_guid("spread"), 4));
    ASSERT_TRUE(eventually([&] { return app.serves(4); }));
    EXPECT_THAT(cells_of(app), ElementsAre(Pair("cell-1", 1), Pair("cell-2", 1), Pair("cell-3", 2)));
  }
  {
    // Only a cell with exactly these tags will do.
    models::DesiredLRP lrp = a_sleeper("tagged", 2);
    lrp.add_placement_tags("gpu");
    const RunningApp app(cluster_, lrp);
    ASSERT_TRUE(eventually([&] { return app.running() == 2; }));
    EXPECT_THAT(cells_of(app), ElementsAre(Pair("cell-4", 2)));
  }
  {
    models::DesiredLRP lrp = a_sleeper("unknown-tag", 1);
    lrp.add_placement_tags("no-such-tag");
    const RunningApp app(cluster_, lrp);
    ASSERT_TRUE(eventually([&] { return !app.instance(0).placement_error().empty(); }));
    EXPECT_THAT(app.instance(0).placement_error(), HasSubstr("found no compatible cell"));
    EXPECT_THAT(app.instance(0).placement_error(), HasSubstr("no-such-tag"));
  }
  {
    // Each cell has room for one; there are three cells without tags.
    models::DesiredLRP lrp = a_sleeper("large", 4);
    lrp.set_memory_mb(700);
    const RunningApp app(cluster_, lrp);
    ASSERT_TRUE(eventually([&] { return app.running() == 3; }));
    EXPECT_TRUE(eventually([&] {
      const auto all = app.instances();
      return std::any_of(all.begin(), all.end(), [](const auto& lrp_of_all) {
        return lrp_of_all.placement_error().find("insufficient resources: memory") != std::string::npos;
      });
    }));
  }
}

}  // namespace
}  // namespace rivera::harness
