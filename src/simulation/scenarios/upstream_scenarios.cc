#include "simulation/scenarios/upstream_scenarios.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include <fmt/format.h>

#include "simulation/world/measures.h"

namespace rivera::simulation {
namespace {

// The fixture: cell j is in zone j mod 2 and holds 100 of everything.
auction::CellSnapshot a_cell(int number) {
  auction::CellSnapshot cell;
  cell.cell_id = fmt::format("REP-{}", number + 1);
  cell.cell_index = number;
  cell.zone = fmt::format("Z{}", number % 2);
  cell.total_memory = cell.free_memory = 100;
  cell.total_disk = cell.free_disk = 100;
  cell.total_containers = cell.free_containers = 100;
  cell.root_fs_providers["preloaded"] = models::RootFsProvider::fixed_set({"linux"});
  cell.volume_drivers = {"my-driver"};
  return cell;
}

class Builder {
 public:
  Builder(std::string name, std::string title, int cells, unsigned seed) : random_(seed) {
    scenario_.name = std::move(name);
    scenario_.title = std::move(title);
    scenario_.options.placement.starting_container_weight = 0.25;
    for (int i = 0; i < cells; ++i) scenario_.world.add_cell(a_cell(i));
  }

  ProcessId process(std::string guid, int memory) {
    Process process{.guid = std::move(guid), .memory_mb = memory, .disk_mb = 1};
    process.placement.root_fs = "preloaded:linux";
    return scenario_.world.add_process(std::move(process));
  }

  // Each is a separate process, with its position in the list as index.
  Builder& unique(int count, int memory, bool with_rising_index = true) {
    for (int i = 0; i < count; ++i) {
      const int n = next_unique_++;
      add(scenario_.world.add_instance(process(fmt::format("unique-{}-{}", n, memory), memory),
                                       with_rising_index ? i : 0, true));
    }
    return *this;
  }
  Builder& instances_of(const std::string& guid, int count, int memory) {
    const ProcessId id = process(guid, memory);
    for (int i = 0; i < count; ++i) add(scenario_.world.add_instance(id));
    return *this;
  }
  // Instances of four processes, drawn at random.
  Builder& four_colours(const std::array<const char*, 4>& names, int count, int memory) {
    std::array<ProcessId, 4> ids{};
    std::transform(names.begin(), names.end(), ids.begin(), [&](const char* name) { return process(name, memory); });
    for (int i = 0; i < count; ++i) add(scenario_.world.add_instance(ids[random_() % ids.size()]));
    return *this;
  }
  Builder& preload(CellId cell, int count) {
    for (int i = 0; i < count; ++i) {
      const auto id = process(fmt::format("before-{}-{}", cell, i), 1);
      scenario_.world.put(scenario_.world.add_instance(id, false), cell, false);
    }
    return *this;
  }
  Builder& shuffle() {
    std::shuffle(scenario_.work.begin(), scenario_.work.end(), random_);
    return *this;
  }
  Builder& weights(double starting, double bin_pack) {
    scenario_.options.placement.starting_container_weight = starting;
    scenario_.options.placement.bin_pack_first_fit_weight = bin_pack;
    return *this;
  }
  Builder& upstream_score(std::string text) {
    scenario_.upstream_score = std::move(text);
    return *this;
  }
  template <typename Check>
  Scenario checked_by(Check check) {
    scenario_.check = std::move(check);
    return std::move(scenario_);
  }
  int random_number(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }

 private:
  void add(InstanceId instance) { scenario_.work.push_back(instance); }

  std::mt19937 random_;
  Scenario scenario_;
  int next_unique_ = 0;
};

// The number of items of each cell with any is within `tolerance` of their mean.
auto evenly_within(double tolerance) {
  return [tolerance](const ScenarioResult& result) -> std::string {
    if (result.placed < result.wanted) return fmt::format("{} placed", result.placed);
    auto wins = new_instances_by_cell(result.world);
    std::erase(wins, 0);
    double sum = 0;
    for (const auto count : wins) sum += static_cast<double>(count);
    const double mean = sum / static_cast<double>(wins.size());
    for (const auto count : wins) {
      if (std::abs(static_cast<double>(count) - mean) > tolerance)
        return fmt::format("{} on a cell, mean {}", count, mean);
    }
    return "";
  };
}

// In each zone, cells with a lower index have more; the zones are even.
std::string packed_by_index(const ScenarioResult& result) {
  if (result.placed < result.wanted) return fmt::format("{} placed", result.placed);
  const World& world = result.world;
  const auto wins = new_instances_by_cell(world);
  std::map<std::string, std::int64_t> last;
  for (std::size_t i = 0; i < wins.size(); ++i) {
    const auto [previous, is_first] = last.try_emplace(world.cells()[i].now.zone, wins[i]);
    if (!is_first && wins[i] > previous->second) return fmt::format("{} holds more than its predecessor", i);
    previous->second = wins[i];
  }
  const auto zones = use_by_zone(world);
  std::int64_t sum = 0;
  for (const auto& [name, zone] : zones) sum += zone.new_instances;
  for (const auto& [name, zone] : zones) {
    const double mean = static_cast<double>(sum) / static_cast<double>(zones.size());
    if (std::abs(static_cast<double>(zone.new_instances) - mean) > 1) return "uneven zones";
  }
  return "";
}

std::string half_in_each_zone(const ScenarioResult& result) {
  const auto zones = use_by_zone(result.world);
  const auto left = zones.at("Z0").new_instances;
  const auto right = zones.at("Z1").new_instances;
  return left == right ? "" : fmt::format("{} and {}", left, right);
}

std::string packs_51(const ScenarioResult& result) {
  if (result.placed != 51) return fmt::format("{} placed", result.placed);
  const World& world = result.world;
  const auto& held = world.cells()[0].instances;
  const auto holds_red = [&](int index) {
    return std::any_of(held.begin(), held.end(), [&](InstanceId id) {
      return world.process_of(id).guid == "red" && world.instances()[id].index == index;
    });
  };
  if (!holds_red(0)) return "red-0 is missing";
  return holds_red(1) ? "red-1 won" : "";
}

constexpr std::array<std::pair<int, int>, 4> kSmall = {{{4, 8}, {10, 40}, {20, 200}, {40, 800}}};  // cells, auctions

void add_small_cold(std::vector<Scenario>& all, unsigned seed) {
  for (const auto& [cells, auctions] : kSmall) {
    Builder builder(fmt::format("upstream-1-cold-{}", cells), fmt::format("Small cold start, {} cells", cells), cells,
                    seed);
    all.push_back(builder.unique(auctions, 1).upstream_score("0.000").checked_by(evenly_within(1)));
  }
}

void add_bin_pack(std::vector<Scenario>& all, unsigned seed) {
  const std::map<double, std::array<const char*, 4>> unique_scores = {
      {0.25, {"0.000", "0.158", "0.141", "0.146"}},
      {0.5, {"0.000", "0.354", "0.245", "0.267"}},
      {0.75, {"0.500", "0.500", "0.436", "0.428-0.432"}},
  };
  for (const auto& [weight, scores] : unique_scores) {
    for (std::size_t i = 0; i < kSmall.size(); ++i) {
      const auto [cells, auctions] = kSmall[i];
      Builder unique(fmt::format("upstream-2a-bin-pack-{}-{}", weight, cells),
                     fmt::format("Bin packing {}, {} cells", weight, cells), cells, seed);
      all.push_back(
          unique.weights(0.5, weight).unique(auctions, 1).upstream_score(scores[i]).checked_by(packed_by_index));
      Builder one(fmt::format("upstream-2b-bin-pack-{}-{}", weight, cells),
                  fmt::format("Bin packing {}, one process, {} cells", weight, cells), cells, seed);
      all.push_back(one.weights(0.5, weight)
                        .instances_of("yellow", auctions, 1)
                        .upstream_score("0.000")
                        .checked_by(evenly_within(1)));
    }
  }
}

void add_large_cold(std::vector<Scenario>& all, unsigned seed) {
  for (const auto& [cells, k, score] : {std::tuple(25, 1, "0.027-0.032"), std::tuple(100, 4, "0.028-0.029")}) {
    Builder builder(fmt::format("upstream-3-large-cold-{}", cells), fmt::format("Large cold start, {} cells", cells),
                    cells, seed);
    builder.unique(900 * k, 1).four_colours({"purple", "red", "orange", "teal"}, 900 * k, 1);
    builder.unique(100 * k, 2).four_colours({"gray", "blue", "pink", "green"}, 100 * k, 2);
    builder.unique(25 * k, 4).four_colours({"lime", "cyan", "lightseagreen", "brown"}, 25 * k, 4);
    all.push_back(builder.shuffle().upstream_score(score).checked_by(evenly_within(10)));
  }
}

void add_imbalanced(std::vector<Scenario>& all, unsigned seed) {
  for (const auto& [empty, auctions, score] : {std::tuple(5, 500, "0.203"), std::tuple(1, 100, "0.0965")}) {
    Builder builder(fmt::format("upstream-4-deploy-{}-empty", empty),
                    fmt::format("Deploy, {} of 100 cells empty", empty), 100, seed);
    for (int cell = 0; cell < 100 - empty; ++cell) builder.preload(static_cast<CellId>(cell), 50);
    all.push_back(builder.unique(auctions, 1).upstream_score(score).checked_by(evenly_within(1)));
  }
}

void add_zones_and_demo(std::vector<Scenario>& all, unsigned seed) {
  Builder zones("upstream-5-zones", "Zone balance, 3 cells", 3, seed);
  all.push_back(zones.preload(1, 50).instances_of("red", 40, 1).upstream_score("0.943").checked_by(half_in_each_zone));
  for (const auto& [cells, auctions, score] :
       {std::tuple(10, 80, "0.008"), std::tuple(30, 200, "0.005-0.0065"), std::tuple(100, 400, "0.010")}) {
    Builder demo(fmt::format("upstream-6-demo-{}", cells), fmt::format("The Watters demo, {} cells", cells), cells,
                 seed);
    for (int cell = 0; cell < cells; ++cell) demo.preload(static_cast<CellId>(cell), demo.random_number(78, 80));
    all.push_back(demo.instances_of("red", auctions, 1).upstream_score(score).checked_by(evenly_within(1)));
  }
}

}  // namespace

std::vector<Scenario> upstream_scenarios(unsigned seed) {
  std::vector<Scenario> all;
  add_small_cold(all, seed);
  add_bin_pack(all, seed);
  add_large_cold(all, seed);
  add_imbalanced(all, seed);
  add_zones_and_demo(all, seed);
  Builder low_memory("upstream-7-low-memory", "Low memory, 1 cell", 1, seed);
  all.push_back(low_memory.unique(80, 1, false).instances_of("red", 2, 50).upstream_score("0").checked_by(packs_51));
  return all;
}

}  // namespace rivera::simulation
