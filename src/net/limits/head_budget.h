// Memory for requests that a server's clients have sent only in part.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace rivera::net {

// Shared by the connections of one server; thread-safe. Counts only what goes beyond a usual head, so that usual
// requests never wait for memory. A quarter is left for heads that are not very large.
class HeadBudget {
 public:
  static constexpr std::size_t kDefault = 64u << 20;
  static constexpr std::size_t kLarge = 64u << 10;  // from this size on, a head gets none of the last quarter

  explicit HeadBudget(std::size_t bytes = kDefault) : bytes_(bytes) {}

  std::size_t used() const { return used_; }

 private:
  friend class HeadReservation;
  bool take(std::size_t bytes, bool is_large);

  const std::size_t bytes_;
  std::atomic<std::size_t> used_{0};
};

// One connection's part of the budget; given back when destroyed. Without a budget there is no limit.
class HeadReservation {
 public:
  HeadReservation() = default;
  ~HeadReservation() { shrink_to(0); }
  HeadReservation(const HeadReservation&) = delete;
  HeadReservation& operator=(const HeadReservation&) = delete;

  // Only while nothing is reserved.
  void use(std::shared_ptr<HeadBudget> budget) { budget_ = std::move(budget); }
  // False, and nothing changes, if the budget does not have so much.
  bool grow_to(std::size_t bytes);
  void shrink_to(std::size_t bytes);

 private:
  std::shared_ptr<HeadBudget> budget_;
  std::size_t bytes_ = 0;
};

}  // namespace rivera::net
