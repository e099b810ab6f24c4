// What waits for the next auction.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "auction/placement.h"
#include "models/placement/auction_json.h"

namespace rivera::auction {

// Collects start requests, each instance and each task once: of several equal ones the first stays, whether they come
// in one request or in many. An instance is `<process_guid>.<index>`, whatever its domain
// (docs/spec/locket-and-auction.md §4.1).
//
// Holds so many items and no more, whatever it is asked: what is dropped is asked for again by convergence.
class Batch {
 public:
  // Four times the largest fleet; some 400 bytes each.
  static constexpr std::size_t kUsualCapacity = 1'000'000;

  explicit Batch(std::size_t capacity = kUsualCapacity) : capacity_(capacity) {}

  // One auction for each index. Requests are taken as valid. Gives how many were dropped for want of room.
  std::size_t add(const models::LRPStartRequest& request, base::Timestamp arrived);
  std::size_t add(const models::TaskStartRequest& request, base::Timestamp arrived);

  // In the order of arrival.
  const std::vector<LRPAuction>& lrps() const { return lrps_; }
  const std::vector<TaskAuction>& tasks() const { return tasks_; }
  bool empty() const { return lrps_.empty() && tasks_.empty(); }

  // Everything so far; leaves nothing behind.
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
