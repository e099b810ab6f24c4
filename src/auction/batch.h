// The work for the next auction.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "auction/placement.h"
#include "models/placement/auction_json.h"

namespace rivera::auction {

// Collects start requests, each instance and each task once: of duplicates the first is kept, in one request or in
// several. An instance is identified by `<process_guid>.<index>`, without its domain (docs/spec/locket-and-auction.md
// §4.1).
//
// Holds at most `capacity` items; convergence requests dropped ones again.
class Batch {
 public:
  // Four times the largest fleet; about 400 bytes each.
  static constexpr std::size_t kUsualCapacity = 1'000'000;

  explicit Batch(std::size_t capacity = kUsualCapacity) : capacity_(capacity) {}

  // Adds one auction for each index. Does not validate. Returns how many were dropped for lack of capacity.
  std::size_t add(const models::LRPStartRequest& request, base::Timestamp arrived);
  std::size_t add(const models::TaskStartRequest& request, base::Timestamp arrived);

  // In the order of arrival.
  const std::vector<LRPAuction>& lrps() const { return lrps_; }
  const std::vector<TaskAuction>& tasks() const { return tasks_; }
  bool empty() const { return lrps_.empty() && tasks_.empty(); }

  // Removes and returns everything collected so far.
  Batch drain();

 private:
  bool is_full() const { return lrps_.size() + tasks_.size() >= capacity_; }

  std::size_t capacity_;
  std::vector<LRPAuction> lrps_;
  std::vector<TaskAuction> tasks_;
  std::unordered_set<std::string> known_lrps_;
  std::unordered_set<std::string> known_tasks_;
};

}  // namespace rivera::auction
