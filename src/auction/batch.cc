#include "auction/batch.h"

#include <utility>

namespace rivera::auction {

std::size_t Batch::add(const models::LRPStartRequest& request, base::Timestamp arrived) {
  std::size_t dropped = 0;
  for (const auto index : request.indices) {
    LRPAuction auction;
    auction.lrp.process_guid = request.process_guid;
    auction.lrp.index = index;
    auction.lrp.domain = request.domain;
    auction.lrp.placement = request.placement;
    auction.lrp.resource = request.resource;
    auction.arrived = arrived;
    const std::string identifier = auction.lrp.identifier();
    if (known_lrps_.contains(identifier)) continue;
    if (is_full()) {
      ++dropped;
      continue;
    }
    known_lrps_.insert(identifier);
    lrps_.push_back(std::move(auction));
  }
  return dropped;
}

std::size_t Batch::add(const models::TaskStartRequest& request, base::Timestamp arrived) {
  if (known_tasks_.contains(request.task.task_guid)) return 0;
  if (is_full()) return 1;
  known_tasks_.insert(request.task.task_guid);
  tasks_.push_back({request.task, arrived});
  return 0;
}

Batch Batch::drain() { return std::exchange(*this, Batch(capacity_)); }

}  // namespace rivera::auction
