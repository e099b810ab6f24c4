// The cells that run instances of one process.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace rivera::auction {

// The pool of each cell, and the size of each pool.
struct PoolMap {
  std::vector<std::size_t> pool_of_cell;
  std::vector<std::size_t> slot_of_cell;
  std::vector<std::size_t> pool_size;
};

// Counts the instances of one process by zone and by cell: as a short list while few cells hold any, else as one number
// for each cell. Adding an instance is O(1); the one change of form is O(cells).
class Footprint {
 public:
  // The largest length of the list: small enough to copy into an array for each search.
  static constexpr std::size_t kNarrow = 32;

  Footprint(const PoolMap& pools, std::size_t zones);

  // Adds `count` instances on a cell.
  void add(std::size_t cell, std::size_t zone, std::uint32_t count = 1);

  std::uint64_t in_zone(std::size_t zone) const { return zones_[zone]; }
  // A lower bound of the counts in the pool; exact in the wide form.
  std::uint32_t least_in(std::size_t pool) const { return is_wide() ? least_[pool] : 0; }

  // The counts by cell during a search. The narrow form uses `scratch`, which has a zero for each cell; done() restores
  // it.
  const std::vector<std::uint32_t>& counts(std::vector<std::uint32_t>& scratch) const;
  void done(std::vector<std::uint32_t>& scratch) const;

 private:
  bool is_wide() const { return !by_cell_.empty(); }
  void add_narrow(std::size_t cell, std::uint32_t count);
  void widen();
  // Moves a cell between the levels of its pool.
  void raise(std::size_t cell, std::uint32_t count);

  const PoolMap* pools_;
  std::vector<std::uint64_t> zones_;
  std::vector<std::pair<std::size_t, std::uint32_t>> few_;  // narrow form: cells with any
  std::vector<std::uint32_t> by_cell_;                      // wide form
  std::vector<std::vector<std::uint32_t>> levels_;          // wide form: by pool, how many cells hold 0, 1, 2, …
  std::vector<std::uint32_t> least_;                        // wide form: by pool, the first level with a cell
};

}  // namespace rivera::auction
