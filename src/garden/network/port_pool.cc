#include "garden/network/port_pool.h"

#include <algorithm>

#include "base/check.h"
#include "clients/garden/garden_types.h"

namespace rivera::garden {

PortPool::PortPool(std::uint32_t start, std::uint32_t size, std::uint32_t offset) : start_(start), size_(size) {
  if (offset >= size) offset = 0;
  for (std::uint32_t i = 0; i < size; ++i) free_.push_back(start + (offset + i) % size);
}

std::uint32_t PortPool::acquire() {
  if (free_.empty()) throw clients::garden::GardenError("port pool is exhausted");
  const std::uint32_t port = free_.front();
  free_.pop_front();
  RIVERA_CHECK(++taken_[port] == 1, "a free port is not taken");
  return port;
}

void PortPool::take(std::uint32_t port) {
  if (++taken_[port] > 1 || !in_range(port)) return;
  const auto found = std::find(free_.begin(), free_.end(), port);
  RIVERA_CHECK(found != free_.end(), "a port that is not taken is free");
  free_.erase(found);
}

void PortPool::release(std::uint32_t port) {
  const auto found = taken_.find(port);
  if (found == taken_.end() || --found->second > 0) return;
  taken_.erase(found);
  if (in_range(port)) free_.push_back(port);
  RIVERA_CHECK(free_.size() <= size_, "no more ports are free than there are");
}

std::uint32_t PortPool::offset() const { return free_.empty() ? 0 : free_.front() - start_; }

}  // namespace rivera::garden
