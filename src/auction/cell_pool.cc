#include "auction/cell_pool.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace rivera::auction {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kNothing = std::numeric_limits<std::int64_t>::min();

// K and the whole score are rounded differently; the search must not miss a cell because of that.
double slack(double score) { return 1e-9 + std::abs(score) * 1e-13; }

}  // namespace

// One search of the tree: the request, and the best cell so far.
struct CellPool::Search {
  Demand demand;
  const std::vector<std::uint32_t>* same_process = nullptr;  // null: a task
  double least_penalty = 0;                                  // of any cell
  double limit = kInfinity;                                  // the key to beat, penalty included
  std::size_t slot = std::numeric_limits<std::size_t>::max();
  bool found = false;

  double key(const Node& node) const { return same_process ? node.lrp_key : node.task_key; }

  // `first_slot` is the lowest below the node.
  bool may_win(const Node& node, std::size_t first_slot) const {
    if (!node.may_fit(demand)) return false;
    const double bound = key(node) + least_penalty;
    return bound < limit || (bound == limit && first_slot < slot);
  }

  void try_cell(const Node& leaf, std::size_t leaf_slot, std::size_t cell) {
    const double penalty = same_process ? kLocalityPenalty * (*same_process)[cell] : 0;
    const double value = key(leaf) + penalty;
    if (value > limit || (value == limit && leaf_slot > slot)) return;
    limit = value;
    slot = leaf_slot;
    found = true;
  }
};

CellPool::CellPool(const Fleet& fleet, std::vector<std::size_t> members, const PlacementOptions& options, Method method)
    : fleet_(&fleet), members_(std::move(members)), options_(options) {
  if (!first().has_score()) return;
  leaves_ = std::bit_ceil(members_.size());
  if (method == Method::kTrees) {
    budget_ = 24 + 2 * static_cast<std::size_t>(std::sqrt(static_cast<double>(members_.size())));
  }
  nodes_.assign(2 * leaves_, Node{kInfinity, kInfinity, kNothing, kNothing, kNothing});
  for (std::size_t slot = 0; slot < members_.size(); ++slot) nodes_[leaves_ + slot] = leaf_of(slot);
  for (std::size_t node = leaves_ - 1; node > 0; --node) pull_up(node);
}

// Always computed from integers, so that rounding errors do not accumulate.
CellPool::Node CellPool::leaf_of(std::size_t slot) const {
  const Cell& cell = fleet_->cells[members_[slot]];
  const Room& room = fleet_->rooms[members_[slot]];
  const double left = static_cast<double>(room.memory) / static_cast<double>(cell.total_memory) +
                      static_cast<double>(room.disk) / static_cast<double>(cell.total_disk) +
                      static_cast<double>(room.containers - 1) / static_cast<double>(cell.total_containers);
  const double load = (3.0 - left) / 3.0 + static_cast<double>(room.starting) * options_.starting_container_weight;
  return {.lrp_key = load + cell.index * options_.bin_pack_first_fit_weight,
          .task_key = load + kLocalityPenalty * static_cast<double>(room.tasks),
          .memory = room.memory,
          .disk = room.disk,
          .containers = room.containers};
}

void CellPool::pull_up(std::size_t node) {
  const Node& a = nodes_[2 * node];
  const Node& b = nodes_[2 * node + 1];
  nodes_[node] = {.lrp_key = std::min(a.lrp_key, b.lrp_key),
                  .task_key = std::min(a.task_key, b.task_key),
                  .memory = std::max(a.memory, b.memory),
                  .disk = std::max(a.disk, b.disk),
                  .containers = std::max(a.containers, b.containers)};
}

void CellPool::update(std::size_t slot) {
  if (leaves_ == 0) return;
  std::size_t node = leaves_ + slot;
  nodes_[node] = leaf_of(slot);
  for (node /= 2; node > 0; node /= 2) pull_up(node);
}

// The part of the score that the request adds to K on each cell of the pool.
double CellPool::request_part(const Demand& demand) const {
  const Cell& cell = first();
  return (static_cast<double>(demand.memory) / static_cast<double>(cell.total_memory) +
          static_cast<double>(demand.disk) / static_cast<double>(cell.total_disk)) /
         3.0;
}

void CellPool::search_lrp(const Demand& demand, const std::vector<std::uint32_t>& same_process, std::uint32_t least,
                          Best& best) const {
  if (leaves_ == 0) return;
  Search search{.demand = demand, .same_process = &same_process, .least_penalty = kLocalityPenalty * least};
  search.limit = best.score - request_part(demand) + slack(best.score);
  search_tree(search);
  if (!search.found) return;
  const std::size_t position = members_[search.slot];
  const Cell& cell = fleet_->cells[position];
  const double score = lrp_score(cell, fleet_->rooms[position], demand, same_process[position], options_);
  if (best.is_beaten_by(score, cell.rank)) best = {score, position, cell.rank, true};
}

void CellPool::search_task(const Demand& demand, Best& best) const {
  if (leaves_ == 0) return;
  Search search{.demand = demand};
  search.limit = best.score - request_part(demand) + slack(best.score);
  search_tree(search);
  if (!search.found) return;
  const std::size_t position = members_[search.slot];
  const Cell& cell = fleet_->cells[position];
  const double score = task_score(cell, fleet_->rooms[position], demand, options_);
  if (best.is_beaten_by(score, cell.rank)) best = {score, position, cell.rank, true};
}

// Depth first, the better child first. A node on the stack is compared again when it is popped: the limit is lower by
// then, and most nodes are dropped.
void CellPool::search_tree(Search& search) const {
  struct Waiting {
    std::size_t node;
    std::size_t first_slot;
    std::size_t width;  // slots below the node
  };
  // Not initialized: this is the innermost loop of placement. NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
  std::array<Waiting, 64> stack;  // one sibling for each level, and the two last children
  std::size_t height = 0;
  const auto wait = [&](const Waiting& next) {
    if (search.may_win(nodes_[next.node], next.first_slot)) stack[height++] = next;
  };
  wait({1, 0, leaves_});
  for (std::size_t visited = 0; height > 0; ++visited) {
    const auto [node, first_slot, width] = stack[--height];
    if (!search.may_win(nodes_[node], first_slot)) continue;
    if (visited >= budget_) return scan(search);
    if (width == 1) {
      search.try_cell(nodes_[node], first_slot, members_[first_slot]);
      continue;
    }
    const std::size_t half = width / 2;
    const Waiting left{2 * node, first_slot, half};
    const Waiting right{2 * node + 1, first_slot + half, half};
    const bool left_first = search.key(nodes_[left.node]) <= search.key(nodes_[right.node]);
    wait(left_first ? right : left);
    wait(left_first ? left : right);
  }
}

// Where the tree does not help (the less loaded cells already hold the process, or every cell lacks a resource that
// others have), a scan of the leaves is faster.
void CellPool::scan(Search& search) const {
  for (std::size_t slot = 0; slot < members_.size(); ++slot) {
    const Node& leaf = nodes_[leaves_ + slot];
    if (search.may_win(leaf, slot)) search.try_cell(leaf, slot, members_[slot]);
  }
}

void CellPool::narrow(Shortage& shortage, const Demand& demand) const {
  if (leaves_ > 0) {
    // A resource is short on every cell if the largest free amount is too small.
    const Node& all = nodes_[1];
    shortage.narrow_to({.memory = all.memory, .disk = all.disk, .containers = all.containers}, demand);
    return;
  }
  for (const std::size_t position : members_) {
    const Room& room = fleet_->rooms[position];
    if (!room.fits(demand)) shortage.narrow_to(room, demand);
  }
}

}  // namespace rivera::auction
