// For tests: random cells and work, and the production search in lockstep with the reference.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "auction/cell_chooser.h"
#include "auction/testing/reference.h"
#include "auction/testing/testing.h"
#include "auction/work_order.h"

namespace rivera::auction::testing {

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

// A batch and the cells it is for.
struct Scenario {
  std::vector<CellSnapshot> cells;
  std::vector<LRPAuction> lrps;
  std::vector<TaskAuction> tasks;
  PlacementOptions options;
};

inline const std::vector<std::string> kTags = {"red", "blue"};

inline CellSnapshot random_cell(Random& random, std::size_t number, int zones, bool mixed, bool plain, int processes) {
  auto cell = a_cell("cell-" + std::to_string(number), "z" + std::to_string(random.number(1, zones)));
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

inline models::PlacementConstraint random_constraint(Random& random, bool plain) {
  auto constraint = anywhere();
  if (plain) return constraint;
  constraint.root_fs = random.one_of<std::string>({"preloaded:linux", "preloaded:windows", "docker:///a/b", "bad"});
  constraint.volume_drivers = random.some_of({"nfs", "smb"}, 0.1);
  constraint.placement_tags = random.some_of(kTags, 0.25);
  return constraint;
}

inline Scenario random_scenario(std::uint64_t seed) {
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
      scenario.tasks.push_back(a_task("task-" + std::to_string(i), memory, disk, random_constraint(random, plain)));
    } else {
      scenario.lrps.push_back(an_lrp("process-" + std::to_string(random.number(0, processes - 1)),
                                     static_cast<std::int32_t>(random.number(0, 5)), memory, disk,
                                     random_constraint(random, plain)));
    }
  }
  scenario.options.starting_container_weight = random.one_of<double>({0, 0.25, 1});
  scenario.options.bin_pack_first_fit_weight = random.one_of<double>({0, 0, 0.25, 1, 300});
  scenario.options.reserve_proxy_memory = random.chance(0.5);
  return scenario;
}

// The production search and the reference place the same items, one after another.
class Lockstep {
 public:
  explicit Lockstep(const Scenario& scenario, Method method = Method::kTrees)
      : scenario_(scenario),
        search_(make_pool_search(scenario.cells, scenario.lrps, scenario.tasks, scenario.options, method)),
        reference_(scenario.cells, scenario.lrps, scenario.tasks, scenario.options) {}

  // Places the whole batch. Describes the first disagreement; nullopt if there is none.
  std::optional<std::string> run() {
    for (const auto& item : order_of_work(scenario_.lrps, scenario_.tasks)) {
      if (const auto difference = step(item)) return "item " + std::to_string(items_) + ": " + *difference;
    }
    return std::nullopt;
  }

  std::uint64_t items() const { return items_; }
  // How often they chose cells whose scores differ by rounding only (docs/spec/locket-and-auction.md §6.6).
  std::uint64_t by_rounding() const { return by_rounding_; }

 private:
  // Both take the search's choice.
  std::optional<std::string> step(const WorkItem& item) {
    ++items_;
    const Choice choice = search_->choose(item);
    const Choice expected = reference_.choose(item);
    if (choice.error != expected.error) return "\"" + choice.error + "\" instead of \"" + expected.error + "\"";
    if (choice.cell.has_value() != expected.cell.has_value()) return "one of them has found a cell";
    if (!choice.cell) return std::nullopt;
    if (*choice.cell != *expected.cell) {
      const double score = reference_.score(*choice.cell, item);
      const double best = reference_.score(*expected.cell, item);
      // Written so that a score that is not a number counts as a difference.
      if (!(std::abs(score - best) <= 1e-9 + std::abs(best) * 1e-13)) return "a cell with a worse score";
      if (score == best && are_alike(*choice.cell, *expected.cell)) return "a tie broken otherwise";
      ++by_rounding_;
    }
    reference_.reserve(*choice.cell, item);
    search_->reserve(*choice.cell, item);
    return std::nullopt;
  }

  // Whether everything that a score depends on is equal.
  bool are_alike(std::size_t a, std::size_t b) const {
    const auto facts = [this](std::size_t i) {
      const CellSnapshot& cell = reference_.cell(i);
      return std::tuple(cell.zone, cell.total_memory, cell.total_disk, cell.total_containers, cell.proxy_memory,
                        reference_.index(i), cell.free_memory, cell.free_disk, cell.free_containers,
                        cell.starting_containers, cell.tasks);
    };
    return facts(a) == facts(b);
  }

  const Scenario& scenario_;
  std::unique_ptr<CellChooser> search_;
  Reference reference_;
  std::uint64_t items_ = 0;
  std::uint64_t by_rounding_ = 0;
};

}  // namespace rivera::auction::testing
