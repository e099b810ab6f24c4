#include "auction/batch.h"

#include <utility>

namespace rivera::auction {

void Batch::add(const models::LRPStartRequest& request, base::Timestamp arrived) {
  for (const auto index : request.indices) {
    LRPAuction auction;
    auction.lrp.process_guid = request.process_guid;
    auction.lrp.index = index;
    auction.lrp.domain = request.domain;
    auction.lrp.placement = request.placement;
    auction.lrp.resource = request.resource;
    auction.arrived = arrived;
    if (known_lrps_.insert(auction.lrp.identifier()).second) lrps_.push_back(std::move(auction));
  }
}

void Batch::add(const models::TaskStartRequest& request, base::Timestamp arrived) {
  if (known_tasks_.insert(request.task.task_guid).second) tasks_.push_back({request.task, arrived});
}

Batch Batch::drain() { return std::exchange(*this, Batch()); }

}  // namespace rivera::auction
