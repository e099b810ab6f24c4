#include "auction/footprint.h"

#include <algorithm>

namespace rivera::auction {

namespace {

constexpr std::size_t kUsual = 4;  // most processes have at most so many instances

}  // namespace

Footprint::Footprint(const PoolMap& pools, std::size_t zones) : pools_(&pools), zones_(zones) {}

void Footprint::add(std::size_t cell, std::size_t zone, std::uint32_t count) {
  zones_[zone] += count;
  if (is_wide()) {
    raise(cell, count);
  } else {
    add_narrow(cell, count);
  }
}

void Footprint::add_narrow(std::size_t cell, std::uint32_t count) {
  const auto found = std::find_if(few_.begin(), few_.end(), [cell](const auto& entry) { return entry.first == cell; });
  if (found != few_.end()) {
    found->second += count;
    return;
  }
  if (few_.empty()) few_.reserve(kUsual);
  few_.emplace_back(cell, count);
  if (few_.size() > kNarrow) widen();
}

void Footprint::widen() {
  by_cell_.assign(pools_->pool_of_cell.size(), 0);
  least_.assign(pools_->pool_size.size(), 0);
  levels_.resize(pools_->pool_size.size());
  for (std::size_t pool = 0; pool < levels_.size(); ++pool) {
    levels_[pool].assign(1, static_cast<std::uint32_t>(pools_->pool_size[pool]));
  }
  for (const auto& [cell, count] : few_) raise(cell, count);
  few_.clear();
  few_.shrink_to_fit();
}

void Footprint::raise(std::size_t cell, std::uint32_t count) {
  const std::size_t pool = pools_->pool_of_cell[cell];
  auto& levels = levels_[pool];
  const std::uint32_t from = by_cell_[cell];
  const std::uint32_t to = from + count;
  by_cell_[cell] = to;
  if (levels.size() <= to) levels.resize(to + 1, 0);
  --levels[from];
  ++levels[to];
  while (levels[least_[pool]] == 0) ++least_[pool];
}

const std::vector<std::uint32_t>& Footprint::counts(std::vector<std::uint32_t>& scratch) const {
  if (is_wide()) return by_cell_;
  for (const auto& [cell, count] : few_) scratch[cell] = count;
  return scratch;
}

void Footprint::done(std::vector<std::uint32_t>& scratch) const {
  for (const auto& [cell, count] : few_) scratch[cell] = 0;
}

}  // namespace rivera::auction
