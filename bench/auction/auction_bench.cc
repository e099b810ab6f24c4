// How fast work is placed: docs/spec/locket-and-auction.md §6 gives upstream's times beside it.
#include <algorithm>
#include <string>
#include <time.h>
#include <vector>

#include "auction/cell_chooser.h"
#include "auction/placement.h"
#include "auction/testing/agreement.h"
#include "report.h"

namespace {

using namespace rivera;
using auction::CellSnapshot;
using auction::LRPAuction;
using bench::Better;
using bench::report;

constexpr int kCells = 1250;

CellSnapshot a_cell(int number, std::int64_t memory = 128'000) {
  CellSnapshot cell;
  cell.cell_id = "cell-" + std::to_string(number);
  cell.cell_index = number / 3;
  cell.zone = "z" + std::to_string(number % 3);
  cell.total_memory = cell.free_memory = memory;
  cell.total_disk = cell.free_disk = 1'000'000;
  cell.total_containers = cell.free_containers = 250;
  cell.proxy_memory = 32;
  cell.root_fs_providers = models::root_fs_providers({{"cflinuxfs4", "/x"}}, {"docker"});
  return cell;
}

std::vector<CellSnapshot> empty_cells() {
  std::vector<CellSnapshot> cells;
  for (int i = 0; i < kCells; ++i) cells.push_back(a_cell(i));
  return cells;
}

std::string guid(int app) {
  std::string number = std::to_string(app);
  return "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9-" + std::string(8 - number.size(), '0') + number;
}

LRPAuction an_lrp(int app, int index) {
  LRPAuction auction;
  auction.lrp.process_guid = guid(app);
  auction.lrp.index = index;
  auction.lrp.domain = "cf-apps";
  auction.lrp.placement.root_fs = "preloaded:cflinuxfs4";
  auction.lrp.resource = {.memory_mb = 256, .disk_mb = 1024};
  return auction;
}

std::vector<LRPAuction> apps_of(int apps, int instances) {
  std::vector<LRPAuction> lrps;
  for (int app = 0; app < apps; ++app) {
    for (int index = 0; index < instances; ++index) lrps.push_back(an_lrp(app, index));
  }
  return lrps;
}

auction::PlacementOptions options() {
  auction::PlacementOptions result;
  result.starting_container_weight = 0.25;
  return result;
}

// Time of the processor, which on a busy machine says more than time on the wall: all this is one thread.
class Stopwatch {
 public:
  double seconds() const { return now() - started_; }

 private:
  static double now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }
  double started_ = now();
};

// Places a whole batch on empty cells; reports its time, and how even the result is.
void cold_start(const std::string& which, int apps, int instances, double target_ms) {
  const auto cells = empty_cells();
  const auto lrps = apps_of(apps, instances);
  const Stopwatch watch;
  const auto plan = auction::place(cells, lrps, {}, options());
  report("auction", which, "CPU time", watch.seconds() * 1e3, "ms", target_ms, Better::kLower);
  std::size_t least = lrps.size();
  std::size_t most = 0;
  for (const auto& cell : plan.cells) {
    least = std::min(least, cell.lrps.size());
    most = std::max(most, cell.lrps.size());
  }
  if (plan.cells.size() < cells.size()) least = 0;
  report("auction", which, "instances per cell, most - least", static_cast<double>(most - least), "", 2,
         Better::kLower);
  report("auction", which, "failed", static_cast<double>(plan.failed_lrps.size()), "", 0, Better::kLower);
}

// 200 instances of 200 processes on each cell.
std::vector<CellSnapshot> full_cells() {
  auto cells = empty_cells();
  for (int i = 0; i < kCells; ++i) {
    for (int k = 0; k < 200; ++k) cells[static_cast<std::size_t>(i)].processes.push_back({guid(k * 313 + i), 1});
    auto& cell = cells[static_cast<std::size_t>(i)];
    std::sort(cell.processes.begin(), cell.processes.end(),
              [](const auto& a, const auto& b) { return a.process_guid < b.process_guid; });
    cell.free_memory -= std::int64_t{200} * 288 + i % 7;
    cell.free_disk -= std::int64_t{200} * 1024;
    cell.free_containers -= 200;
  }
  return cells;
}

void one_more() {
  const auto cells = full_cells();
  const auto lrps = apps_of(1000, 1);
  const std::vector<auction::TaskAuction> no_tasks;
  const auto chooser = auction::make_pool_search(cells, lrps, no_tasks, options());
  const Stopwatch watch;
  for (std::size_t i = 0; i < lrps.size(); ++i) {
    const auto choice = chooser->choose({.is_task = false, .position = i});
    if (choice.cell) chooser->reserve(*choice.cell, {.is_task = false, .position = i});
  }
  report("auction", "one more, 250000 resident", "CPU time an item, state known",
         watch.seconds() * 1e6 / static_cast<double>(lrps.size()), "us", 20, Better::kLower);

  const auto one = apps_of(1, 1);
  const Stopwatch whole;
  auction::place(cells, one, {}, options());
  report("auction", "one more, 250000 resident", "CPU time of a batch of one", whole.seconds() * 1e6, "us");
}

double time_of(const std::vector<CellSnapshot>& cells, const std::vector<LRPAuction>& lrps, auction::Method method) {
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    const Stopwatch watch;
    auction::place(cells, lrps, {}, options(), method);
    best = std::min(best, watch.seconds());
  }
  return best;
}

// The trees against a scan of the same pools: flat arrays, filters and counts looked up once.
void compare_with_scan(const std::string& which, const std::vector<CellSnapshot>& cells,
                       const std::vector<LRPAuction>& lrps) {
  const double trees = time_of(cells, lrps, auction::Method::kTrees);
  const double scan = time_of(cells, lrps, auction::Method::kScan);
  report("auction", which, "CPU time, compared with a flat scan", trees / scan, "", 2, Better::kLower);
  report("auction", which, "CPU time an item", trees * 1e6 / static_cast<double>(lrps.size()), "us");
}

// One process on the lighter half of the cells: trees lead to cells that the locality term forbids.
void lighter_half() {
  auto cells = empty_cells();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    auto& cell = cells[i];
    if (i % 2 == 0) {
      cell.processes.push_back({guid(0), 1 + static_cast<std::uint32_t>(i % 5)});
      cell.free_memory = 64'000;
    } else {
      cell.free_memory = 600 + static_cast<std::int64_t>(i % 11);
    }
  }
  std::vector<LRPAuction> lrps;
  for (int i = 0; i < 2000; ++i) lrps.push_back(an_lrp(0, i));
  compare_with_scan("adversarial: the lighter half holds the process", cells, lrps);
}

// Every process on every cell, and memory for another instance, or disk for one, but seldom both.
void tight_memory() {
  constexpr int kProcesses = 50;
  auto cells = empty_cells();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    auto& cell = cells[i];
    for (int app = 0; app < kProcesses; ++app) {
      cell.processes.push_back(
          {guid(app), 1 + static_cast<std::uint32_t>((i * 7 + static_cast<std::size_t>(app)) % 4)});
    }
    cell.free_containers = 50;
    cell.free_memory = i % 2 == 0 ? 2'000 + static_cast<std::int64_t>(i) : 100;
    cell.free_disk = i % 2 == 0 ? 500 : 100'000;
    if (i % 25 == 0) cell.free_memory = cell.free_disk = 12'000;
  }
  std::vector<LRPAuction> lrps;
  for (int i = 0; i < 2000; ++i) lrps.push_back(an_lrp(i % kProcesses, i));
  compare_with_scan("adversarial: every process on every cell, tight memory", cells, lrps);
}

// Item by item against the reading of the specification that the tests use.
void agreement(std::uint64_t wanted) {
  std::uint64_t items = 0;
  std::uint64_t disagreements = 0;
  std::uint64_t by_rounding = 0;
  for (std::uint64_t seed = 1'000'000; items < wanted; ++seed) {
    const auto scenario = auction::testing::random_scenario(seed);
    auction::testing::Lockstep lockstep(scenario);
    if (const auto difference = lockstep.run()) {
      ++disagreements;
      std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed), difference->c_str());
    }
    items += lockstep.items();
    by_rounding += lockstep.by_rounding();
  }
  const std::string which = "agreement with an exhaustive reference";
  report("auction", which, "random items", static_cast<double>(items), "", static_cast<double>(wanted));
  report("auction", which, "disagreements", static_cast<double>(disagreements), "", 0, Better::kLower);
  report("auction", which, "scores equal except for rounding", static_cast<double>(by_rounding), "");
}

}  // namespace

int main() {
  cold_start("25000 instances on 1250 empty cells", 6250, 4, 50);
  cold_start("250000 instances of 62500 processes", 62'500, 4, 500);
  cold_start("250000 instances of 250 processes", 250, 1000, 500);
  cold_start("250000 instances of one process", 1, 250'000, 500);
  one_more();
  lighter_half();
  tight_memory();
  agreement(1'000'000);
}
