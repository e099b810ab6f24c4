// The pool search and the flat scan, an exhaustive reading of the specification, agree on random cells and work, item
// by item.
#include <cmath>
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "auction/cell_chooser.h"
#include "auction/constraints.h"
#include "auction/fleet.h"
#include "auction/testing.h"
#include "auction/work_order.h"

namespace rivera::auction {
namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  // Inclusive.
  std::int64_t number(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  bool chance(double probability) { return std::bernoulli_distribution(probability)(engine_); }
  template <typename T>
  T one_of(const std::vector<T>& choices) {
    return choices[static_cast<std::size_t>(number(0, static_cast<std::int64_t>(choices.size()) - 1))];
  }
  std::vector<std::string> some_of(const std::vector<std::string>& choices, double probability) {
    std::vector<std::string> result;
    for (const auto& choice : choices) {
      if (chance(probability)) result.push_back(choice);
    }
    return result;
  }

 private:
  std::mt19937_64 engine_;
};

struct Scenario {
  std::vector<CellSnapshot> cells;
  std::vector<LRPAuction> lrps;
  std::vector<TaskAuction> tasks;
  PlacementOptions options;
};

const std::vector<std::string> kTags = {"red", "blue"};

CellSnapshot random_cell(Random& random, std::size_t number, int zones, bool mixed, bool plain, int processes) {
  auto cell = testing::a_cell("cell-" + std::to_string(number), "z" + std::to_string(random.number(1, zones)));
  const std::int64_t size = mixed ? random.one_of<std::int64_t>({64, 128, 1000}) : 128;
  const std::int64_t disk = random.chance(0.02) ? 0 : size * 2;
  cell.with_total(size, disk, random.number(1, 3) * 10);
  cell.with_index(random.number(0, 20)).with_starting(random.number(0, 4)).with_tasks(random.number(0, 3));
  if (random.chance(0.3)) {
    cell.with_free(random.number(0, size), random.number(0, disk), random.number(0, 10));
  }
  if (!plain) {
    cell.with_proxy(random.one_of<std::int64_t>({0, 4, 32}));
    cell.with_drivers(random.some_of({"nfs", "smb"}, 0.5));
    cell.with_required_tags(random.some_of(kTags, 0.2)).with_optional_tags(random.some_of(kTags, 0.3));
    if (random.chance(0.2)) cell.with_providers(models::root_fs_providers({{"windows", "/w"}}, {}));
  }
  for (int process = 0; process < processes; ++process) {
    if (random.chance(0.25)) {
      cell.holding("process-" + std::to_string(process), static_cast<std::uint32_t>(random.number(1, 3)));
    }
  }
  return cell;
}

models::PlacementConstraint random_constraint(Random& random, bool plain) {
  auto constraint = testing::anywhere();
  if (plain) return constraint;
  constraint.root_fs = random.one_of<std::string>({"preloaded:linux", "preloaded:windows", "docker:///a/b", "bad"});
  constraint.volume_drivers = random.some_of({"nfs", "smb"}, 0.1);
  constraint.placement_tags = random.some_of(kTags, 0.25);
  return constraint;
}

Scenario random_scenario(std::uint64_t seed) {
  Random random(seed);
  Scenario scenario;
  const bool plain = random.chance(0.5);
  const bool mixed = random.chance(0.5);
  const int zones = static_cast<int>(random.number(1, 4));
  const int processes = static_cast<int>(random.number(1, 9));  // one digit: names sort as numbers do
  const auto cells = static_cast<std::size_t>(random.number(0, random.chance(0.1) ? 200 : 60));
  for (std::size_t i = 0; i < cells; ++i) {
    scenario.cells.push_back(random_cell(random, i, zones, mixed, plain, processes));
  }
  const auto items = random.number(1, 200);
  for (std::int64_t i = 0; i < items; ++i) {
    const auto memory = static_cast<std::int32_t>(random.one_of<std::int64_t>({0, 1, 8, 16, 64, 500}));
    const auto disk = static_cast<std::int32_t>(random.one_of<std::int64_t>({0, 1, 16, 100}));
    if (random.chance(0.25)) {
      scenario.tasks.push_back(
          testing::a_task("task-" + std::to_string(i), memory, disk, random_constraint(random, plain)));
    } else {
      scenario.lrps.push_back(testing::an_lrp("process-" + std::to_string(random.number(0, processes - 1)),
                                              static_cast<std::int32_t>(random.number(0, 5)), memory, disk,
                                              random_constraint(random, plain)));
    }
  }
  scenario.options.starting_container_weight = random.one_of<double>({0, 0.25, 1});
  scenario.options.bin_pack_first_fit_weight = random.one_of<double>({0, 0, 0.25, 1, 300});
  scenario.options.reserve_proxy_memory = random.chance(0.5);
  return scenario;
}

// Keeps its own account of the rooms, so that two choices can be compared by their scores.
class Ledger {
 public:
  explicit Ledger(const Scenario& scenario)
      : scenario_(scenario), fleet_(make_fleet(scenario.cells, scenario.options)) {}

  double score(std::size_t cell, const models::CellLRP& lrp) const {
    const auto placed = placed_.find({cell, lrp.process_guid});
    const auto count =
        scenario_.cells[cell].instances_of(lrp.process_guid) + (placed == placed_.end() ? 0 : placed->second);
    return lrp_score(fleet_.cells[cell], fleet_.rooms[cell], needed(lrp.resource, fleet_.cells[cell]), count,
                     scenario_.options);
  }
  double score(std::size_t cell, const models::CellTask& task) const {
    return task_score(fleet_.cells[cell], fleet_.rooms[cell], needed(task.resource), scenario_.options);
  }
  // Cells that are alike in everything a score depends on.
  bool are_alike(std::size_t a, std::size_t b) const {
    const auto facts = [this](std::size_t i) {
      const Cell& cell = fleet_.cells[i];
      const Room& room = fleet_.rooms[i];
      return std::tuple(cell.zone, cell.total_memory, cell.total_disk, cell.total_containers, cell.proxy_memory,
                        cell.index, room.memory, room.disk, room.containers, room.starting, room.tasks);
    };
    return facts(a) == facts(b);
  }
  void reserve(std::size_t cell, const models::CellLRP& lrp) {
    fleet_.rooms[cell].take(reserved(lrp.resource, fleet_.cells[cell], scenario_.options));
    ++placed_[{cell, lrp.process_guid}];
  }
  void reserve(std::size_t cell, const models::CellTask& task) {
    fleet_.rooms[cell].take(needed(task.resource));
    ++fleet_.rooms[cell].tasks;
  }

 private:
  const Scenario& scenario_;
  Fleet fleet_;
  std::map<std::pair<std::size_t, std::string>, std::uint32_t> placed_;
};

struct Comparison {
  std::uint64_t items = 0;
  std::uint64_t by_rounding = 0;  // other cell, score equal but for rounding
};

class Lockstep {
 public:
  Lockstep(const Scenario& scenario, Comparison& total)
      : ledger_(scenario),
        fast_(make_pool_search(scenario.cells, scenario.lrps, scenario.options)),
        slow_(make_flat_scan(scenario.cells, scenario.options)),
        total_(total) {}

  // Asks both, compares, and gives both the fast one's choice.
  template <typename Item>
  void step(const Item& item) {
    const Choice fast = fast_->choose(item);
    const Choice slow = slow_->choose(item);
    ++total_.items;
    ASSERT_EQ(fast.error, slow.error);
    ASSERT_EQ(fast.cell.has_value(), slow.cell.has_value());
    if (!fast.cell) return;
    if (*fast.cell != *slow.cell) {
      const double expected = ledger_.score(*slow.cell, item);
      const double actual = ledger_.score(*fast.cell, item);
      ASSERT_NEAR(actual, expected, 1e-9 + std::abs(expected) * 1e-13);
      ASSERT_FALSE(actual == expected && ledger_.are_alike(*fast.cell, *slow.cell)) << "a tie broken otherwise";
      ++total_.by_rounding;
    }
    ledger_.reserve(*fast.cell, item);
    fast_->reserve(*fast.cell, item);
    slow_->reserve(*fast.cell, item);
  }

 private:
  Ledger ledger_;
  std::unique_ptr<CellChooser> fast_;
  std::unique_ptr<CellChooser> slow_;
  Comparison& total_;
};

void compare(const Scenario& scenario, Comparison& total) {
  Lockstep lockstep(scenario, total);
  for (const auto& item : order_of_work(scenario.lrps, scenario.tasks)) {
    if (item.is_task) {
      lockstep.step(scenario.tasks[item.position].task);
    } else {
      lockstep.step(scenario.lrps[item.position].lrp);
    }
    if (::testing::Test::HasFatalFailure()) return;
  }
}

std::uint64_t wanted_items() {
  const char* text = std::getenv("RIVERA_AUCTION_AGREEMENT_ITEMS");
  return text ? std::strtoull(text, nullptr, 10) : 30'000;
}

TEST(Agreement, OfPoolSearchAndFlatScanOnRandomWork) {
  Comparison total;
  for (std::uint64_t seed = 1; total.items < wanted_items(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    compare(random_scenario(seed), total);
    if (HasFatalFailure()) return;
  }
  RecordProperty("items", static_cast<int>(total.items));
  // Scores that differ by rounding only are rare: else the comparison would say little.
  EXPECT_LT(total.by_rounding * 100, total.items);
}

TEST(Agreement, HoldsWhenOneProcessIsOnEveryCell) {
  Scenario scenario;
  Random random(7);
  for (std::size_t i = 0; i < 300; ++i) {
    auto cell = testing::a_cell("cell-" + std::to_string(i), "z" + std::to_string(i % 3)).with_total(4000, 4000, 100);
    const auto held = static_cast<std::uint32_t>(random.number(1, 4));
    scenario.cells.push_back(cell.running("huge", random.number(1, 500), 1, held));
  }
  for (int i = 0; i < 2000; ++i) scenario.lrps.push_back(testing::an_lrp("huge", i, 16, 16));
  scenario.options.starting_container_weight = 0.25;
  Comparison total;
  compare(scenario, total);
  EXPECT_EQ(total.items, 2000u);
}

TEST(Agreement, HoldsWhenTheLighterHalfHoldsTheProcess) {
  Scenario scenario;
  for (std::size_t i = 0; i < 500; ++i) {
    auto cell = testing::a_cell("cell-" + std::to_string(i), "z").with_total(1000, 1000, 100);
    if (i % 2 == 0) {
      cell.running("p", 1, 1);
    } else {
      cell.running("x", 500 + static_cast<std::int64_t>(i) / 5, 1);
    }
    scenario.cells.push_back(cell);
  }
  for (int i = 0; i < 600; ++i) scenario.lrps.push_back(testing::an_lrp("p", i, 16, 16));
  Comparison total;
  compare(scenario, total);
  EXPECT_EQ(total.items, 600u);
}

TEST(Agreement, HoldsWhenNoCellHasAllThatOthersHaveInPart) {
  Scenario scenario;
  for (std::size_t i = 0; i < 400; ++i) {
    auto cell = testing::a_cell("cell-" + std::to_string(i), "z").with_total(1000, 1000, 100);
    if (i % 2 == 0) {
      cell.with_free(900, 10, 50);
    } else {
      cell.with_free(10, 900, 50);
    }
    if (i == 399) cell.with_free(100, 100, 50);
    scenario.cells.push_back(cell);
  }
  for (int i = 0; i < 5; ++i) scenario.lrps.push_back(testing::an_lrp("p", i, 50, 50));
  Comparison total;
  compare(scenario, total);
  EXPECT_EQ(total.items, 5u);
}

}  // namespace
}  // namespace rivera::auction
