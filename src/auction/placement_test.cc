// The rules of docs/spec/locket-and-auction.md §4, its worked checks (§4.9) among them, for the production search and
// for the reference.
#include "auction/placement.h"

#include <gtest/gtest.h>

#include "auction/cell_chooser.h"
#include "auction/testing/reference.h"
#include "auction/testing/testing.h"

namespace rivera::auction {
namespace {

using testing::a_cell;
using testing::a_task;
using testing::an_lrp;
using testing::anywhere;

using Names = std::vector<std::string>;

enum class By { kTrees, kScan, kReference };

class Placement : public ::testing::TestWithParam<By> {
 protected:
  // Places the work and keeps the result for the functions below.
  void place_all() {
    if (GetParam() == By::kReference) {
      testing::Reference reference(cells, lrps, tasks, options);
      plan = place_with(reference, cells, lrps, tasks, options);
    } else {
      plan = place(cells, lrps, tasks, options, GetParam() == By::kTrees ? Method::kTrees : Method::kScan);
    }
  }

  // "cell" of each placed item, "" for a failed one.
  std::string cell_of_lrp(std::size_t position) const { return cell_of(position, &CellAssignment::lrps); }
  std::string cell_of_task(std::size_t position) const { return cell_of(position, &CellAssignment::tasks); }

  std::string error_of_lrp(std::size_t position) const { return error_of(position, plan.failed_lrps); }
  std::string error_of_task(std::size_t position) const { return error_of(position, plan.failed_tasks); }

  std::string place_one(LRPAuction lrp) {
    lrps = {std::move(lrp)};
    place_all();
    return cell_of_lrp(0);
  }
  std::string error_for(LRPAuction lrp) {
    place_one(std::move(lrp));
    return error_of_lrp(0);
  }

  std::vector<CellSnapshot> cells;
  std::vector<LRPAuction> lrps;
  std::vector<TaskAuction> tasks;
  PlacementOptions options;
  Plan plan;

 private:
  std::string cell_of(std::size_t position, std::vector<std::size_t> CellAssignment::*list) const {
    for (const auto& assignment : plan.cells) {
      for (const auto item : assignment.*list) {
        if (item == position) return cells[assignment.cell].cell_id;
      }
    }
    return "";
  }
  static std::string error_of(std::size_t position, const std::vector<FailedItem>& failed) {
    for (const auto& item : failed) {
      if (item.item == position) return item.error;
    }
    return "";
  }
};

std::string name_of(By by) {
  switch (by) {
    case By::kTrees:
      return "Trees";
    case By::kScan:
      return "Scan";
    case By::kReference:
      return "Reference";
  }
  return "";
}

INSTANTIATE_TEST_SUITE_P(Ways, Placement, ::testing::Values(By::kTrees, By::kScan, By::kReference),
                         [](const auto& each) { return name_of(each.param); });

TEST_P(Placement, PrefersTheZoneWithFewerInstancesOfTheProcess) {
  cells = {a_cell("A", "A-zone").running("pg-1", 10, 10).running("pg-2", 10, 10),
           a_cell("B", "B-zone").running("pg-3", 10, 10)};
  EXPECT_EQ(place_one(an_lrp("pg-3", 1, 10, 10)), "A");
  EXPECT_EQ(place_one(an_lrp("pg-4", 1, 10, 10)), "B") << "no zone has it: the less used cell wins";
}

TEST_P(Placement, CountsInstancesOfAZoneOnIncompatibleCellsToo) {
  cells = {a_cell("A1", "A-zone").with_required_tags({"t"}).running("pg", 1, 1), a_cell("A2", "A-zone"),
           a_cell("B", "B-zone").running("x", 50, 50)};
  EXPECT_EQ(place_one(an_lrp("pg", 1, 10, 10)), "B");
}

TEST_P(Placement, OverflowsToAFullerZoneWhenTheEmptierHasNoRoom) {
  cells = {a_cell("A", "A-zone").running("pg", 10, 10), a_cell("B", "B-zone").with_free(5, 200, 50)};
  EXPECT_EQ(place_one(an_lrp("pg", 1, 10, 10)), "A");
}

TEST_P(Placement, PlacesOneInstanceOfEverythingThenTasksThenRedundancy) {
  cells = {a_cell("A").with_total(45, 200, 50)};
  lrps = {an_lrp("pg-7", 0, 10, 10), an_lrp("pg-7", 1, 10, 10), an_lrp("pg-8", 1, 40, 10), an_lrp("pg-8", 2, 40, 10)};
  tasks = {a_task("tg-1", 10, 10), a_task("tg-2", 20, 10)};
  place_all();
  EXPECT_EQ(cell_of_lrp(0), "A");
  EXPECT_EQ(cell_of_task(0), "A");
  EXPECT_EQ(cell_of_task(1), "A");
  EXPECT_EQ(error_of_lrp(1), "insufficient resources: memory");
  EXPECT_EQ(plan.failed_lrps.size(), 3u);
  EXPECT_TRUE(plan.failed_tasks.empty());
}

TEST_P(Placement, PlacesLargerRedundantInstancesFirst) {
  cells = {a_cell("A").with_total(95, 200, 50)};
  lrps = {an_lrp("pg-7", 0, 10, 10), an_lrp("pg-7", 1, 10, 10), an_lrp("pg-8", 1, 40, 10), an_lrp("pg-8", 2, 40, 10)};
  tasks = {a_task("tg-1", 10, 10), a_task("tg-2", 20, 10)};
  place_all();
  EXPECT_EQ(cell_of_lrp(0), "A");
  EXPECT_EQ(cell_of_lrp(1), "A");
  EXPECT_EQ(cell_of_lrp(2), "A");
  EXPECT_EQ(error_of_lrp(3), "insufficient resources: memory");
  EXPECT_TRUE(plan.failed_tasks.empty());
}

TEST_P(Placement, StopsAtTheLimitOfStartingContainers) {
  options.starting_container_count_maximum = 5;
  cells = {a_cell("A").with_starting(1), a_cell("B").with_starting(1)};
  lrps = {an_lrp("pg", 0, 1, 1), an_lrp("pg", 1, 1, 1)};
  tasks = {a_task("t1", 1, 1), a_task("t2", 1, 1)};
  place_all();
  EXPECT_NE(cell_of_lrp(0), "");
  EXPECT_TRUE(plan.failed_tasks.empty());
  EXPECT_EQ(error_of_lrp(1), "waiting to start instance: reached in-flight start limit");
}

TEST_P(Placement, SaysThatTheLimitIsReachedWithoutLookingAtConstraints) {
  options.starting_container_count_maximum = 1;
  cells = {a_cell("A").with_starting(1)};
  auto constraint = anywhere();
  constraint.root_fs = "preloaded:bogus";
  EXPECT_EQ(error_for(an_lrp("pg", 0, 1, 1, constraint)), "waiting to start instance: reached in-flight start limit");
}

TEST_P(Placement, TakesANegativeLimitForNone) {
  options.starting_container_count_maximum = -3;
  cells = {a_cell("A").with_starting(40)};
  EXPECT_EQ(place_one(an_lrp("pg", 0, 1, 1)), "A");
}

TEST_P(Placement, NamesWhatIsShortOnEveryCell) {
  cells = {a_cell("A"), a_cell("B", "B-zone")};
  EXPECT_EQ(error_for(an_lrp("pg", 0, 1000, 10)), "insufficient resources: memory");
  EXPECT_EQ(error_for(an_lrp("pg", 0, 1000, 1000)), "insufficient resources: disk, memory");
  cells = {a_cell("A").with_free(0, 0, 0)};
  EXPECT_EQ(error_for(an_lrp("pg", 0, 10, 10)), "insufficient resources: containers, disk, memory");
}

TEST_P(Placement, NamesNoResourceWhenCellsLackDifferentOnes) {
  cells = {a_cell("A").with_free(1, 200, 50), a_cell("B").with_free(1, 200, 50),
           a_cell("C", "C-zone").with_free(100, 1, 50)};
  EXPECT_EQ(error_for(an_lrp("pg", 0, 10, 10)), "insufficient resources");
  cells.pop_back();
  EXPECT_EQ(error_for(an_lrp("pg", 0, 10, 10)), "insufficient resources: memory");
}

TEST_P(Placement, CountsTheProxyIntoWhatAnLrpNeeds) {
  cells = {a_cell("A").with_total(260, 500, 10).with_proxy(4)};
  EXPECT_EQ(place_one(an_lrp("pg", 0, 256, 10)), "A");
  cells = {a_cell("A").with_total(259, 500, 10).with_proxy(4)};
  EXPECT_EQ(error_for(an_lrp("pg", 0, 256, 10)), "insufficient resources: memory");
}

TEST_P(Placement, CountsNoProxyForATask) {
  cells = {a_cell("A").with_total(256, 500, 10).with_proxy(4)};
  tasks = {a_task("t", 256, 10)};
  place_all();
  EXPECT_EQ(cell_of_task(0), "A");
}

TEST_P(Placement, KeepsTheProxysMemoryOutOfReachOfLaterInstances) {
  cells = {a_cell("A").with_total(100, 500, 10).with_proxy(10)};
  lrps = {an_lrp("p1", 0, 40, 1), an_lrp("p2", 0, 40, 1), an_lrp("p3", 0, 0, 1)};
  place_all();
  EXPECT_EQ(plan.failed_lrps.size(), 1u) << "two of 40 + 10 fill the cell; even one without memory needs a proxy";
  EXPECT_EQ(error_of_lrp(2), "insufficient resources: memory");

  options.reserve_proxy_memory = false;
  place_all();
  EXPECT_TRUE(plan.failed_lrps.empty()) << "upstream leaves 20 MB";
}

TEST_P(Placement, PrefersAnIdleCellToOneThatIsStartingContainers) {
  options.starting_container_weight = 0.25;
  cells = {a_cell("busy").with_starting(10), a_cell("idle")};
  EXPECT_EQ(place_one(an_lrp("pg", 0, 10, 10)), "idle");
  cells[1] = a_cell("idle").holding("pg");
  EXPECT_EQ(place_one(an_lrp("pg", 1, 10, 10)), "busy") << "locality outweighs starting containers";
}

TEST_P(Placement, FillsLowIndicesFirstWhenBinPacking) {
  options.bin_pack_first_fit_weight = 0.2;
  cells = {a_cell("one").with_index(1), a_cell("zero").with_index(0)};
  EXPECT_EQ(place_one(an_lrp("pg", 0, 10, 10)), "zero");
  cells[1] = a_cell("zero").with_index(0).holding("pg");
  EXPECT_EQ(place_one(an_lrp("pg", 1, 10, 10)), "one") << "locality outweighs the index";
}

TEST_P(Placement, CountsIndicesFromZeroInEachZoneWhenBinPacking) {
  options.bin_pack_first_fit_weight = 1;
  cells = {a_cell("a5", "A-zone").with_index(5), a_cell("a9", "A-zone").with_index(9),
           a_cell("b0", "B-zone").with_index(0).running("x", 1, 1)};
  EXPECT_EQ(place_one(an_lrp("pg", 0, 10, 10)), "a5") << "the first of its zone, and less used than b0";
}

TEST_P(Placement, PutsTasksOnTheCellWithTheFewestTasks) {
  cells = {a_cell("A", "A-zone").with_tasks(1), a_cell("B", "B-zone").running("x", 90, 90)};
  tasks = {a_task("t1", 1, 1), a_task("t2", 1, 1)};
  place_all();
  EXPECT_EQ(cell_of_task(0), "B") << "a task outweighs any load";
  EXPECT_EQ(cell_of_task(1), "A");
}

TEST_P(Placement, BreaksTiesByIndexThenById) {
  cells = {a_cell("c").with_index(1), a_cell("b"), a_cell("a", "B-zone")};
  EXPECT_EQ(place_one(an_lrp("pg", 0, 10, 10)), "a");
  cells = {a_cell("b"), a_cell("c", "B-zone"), a_cell("a").with_index(1)};
  EXPECT_EQ(place_one(an_lrp("pg", 0, 10, 10)), "b");
}

TEST_P(Placement, BreaksTiesTheSameWhereALighterCellLacksRoom) {
  const auto half_full = [](std::string id) { return a_cell(std::move(id)).with_free(40, 100, 25); };
  cells = {half_full("a"), half_full("b"), a_cell("c").with_free(100, 0, 50), half_full("d")};
  EXPECT_EQ(place_one(an_lrp("pg", 0, 10, 10)), "a");
}

TEST_P(Placement, SpreadsTheInstancesOfOneProcessEvenly) {
  for (int i = 0; i < 6; ++i) {
    cells.push_back(a_cell("cell-" + std::to_string(i), i % 2 ? "A-zone" : "B-zone").with_total(1000, 1000, 100));
  }
  for (int i = 0; i < 60; ++i) lrps.push_back(an_lrp("pg", i, 10, 10));
  place_all();
  ASSERT_EQ(plan.cells.size(), 6u);
  for (const auto& cell : plan.cells) EXPECT_EQ(cell.lrps.size(), 10u);
}

TEST_P(Placement, FailsEverythingWhenNoCellAnswered) {
  lrps = {an_lrp("pg", 0, 1, 1)};
  tasks = {a_task("t", 1, 1)};
  place_all();
  EXPECT_EQ(error_of_lrp(0), "unable to communicate to compatible cells");
  EXPECT_EQ(error_of_task(0), "unable to communicate to compatible cells");
}

TEST_P(Placement, ReportsTheFurthestConstraintThatAnyCellReached) {
  auto wants = anywhere();
  wants.volume_drivers = Names{"nfs"};
  wants.placement_tags = Names{"a", "b", "c"};
  cells = {a_cell("no-rootfs", "A-zone").with_providers({})};
  EXPECT_EQ(error_for(an_lrp("pg", 0, 1, 1, wants)), "found no compatible cell for required rootfs");
  cells.push_back(a_cell("no-driver", "B-zone"));
  EXPECT_EQ(error_for(an_lrp("pg", 0, 1, 1, wants)), "found no compatible cell with required volume drivers");
  cells.push_back(a_cell("no-tags", "C-zone").with_drivers({"nfs"}));
  EXPECT_EQ(error_for(an_lrp("pg", 0, 1, 1, wants)),
            "found no compatible cell with placement tags \"a\", \"b\" and \"c\"");
}

TEST_P(Placement, NamesTheTagsThatNoCellHas) {
  const auto error_with_tags = [this](Names tags) {
    auto constraint = anywhere();
    constraint.placement_tags = std::move(tags);
    return error_for(an_lrp("pg", 0, 1, 1, constraint));
  };
  cells = {a_cell("A").with_required_tags({"x"})};
  EXPECT_EQ(error_with_tags({}), "found no compatible cell with no placement tags");
  EXPECT_EQ(error_with_tags({"a"}), "found no compatible cell with placement tag \"a\"");
  EXPECT_EQ(error_with_tags({""}), "found no compatible cell with placement tag \"\"");
  EXPECT_EQ(error_with_tags({"b", "a"}), "found no compatible cell with placement tags \"b\" and \"a\"");
}

TEST_P(Placement, MatchesRequiredAndOptionalTags) {
  const auto cell_for_tags = [this](Names tags) {
    auto constraint = anywhere();
    constraint.placement_tags = std::move(tags);
    return place_one(an_lrp("pg", 0, 1, 1, constraint));
  };
  cells = {a_cell("A").with_required_tags({"r"}).with_optional_tags({"o"})};
  EXPECT_EQ(cell_for_tags({"r"}), "A");
  EXPECT_EQ(cell_for_tags({"o", "r", "r"}), "A");
  EXPECT_EQ(cell_for_tags({"o"}), "");
  EXPECT_EQ(cell_for_tags({"r", "z"}), "");
  EXPECT_EQ(cell_for_tags({}), "");
  cells = {a_cell("A").with_optional_tags({"o"})};
  EXPECT_EQ(cell_for_tags({}), "A") << "optional tags alone exclude no item";
}

TEST_P(Placement, NeverLetsACellWithoutDiskWin) {
  cells = {a_cell("no-disk").with_total(100, 0, 10)};
  EXPECT_EQ(error_for(an_lrp("pg", 0, 1, 0)), "insufficient resources: containers, disk, memory");
  EXPECT_EQ(error_for(an_lrp("pg", 0, 1, 5)), "insufficient resources: disk");
  cells.push_back(a_cell("other").with_index(9).running("x", 90, 90));
  EXPECT_EQ(place_one(an_lrp("pg", 0, 1, 0)), "other");
  EXPECT_EQ(error_for(an_lrp("pg", 0, 50, 0)), "insufficient resources: memory");
}

TEST_P(Placement, GivesNoPlanForNoWork) {
  cells = {a_cell("A")};
  place_all();
  EXPECT_TRUE(plan.cells.empty());
  EXPECT_TRUE(plan.failed_lrps.empty());
}

}  // namespace
}  // namespace rivera::auction
