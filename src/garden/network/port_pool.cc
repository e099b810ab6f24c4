#include "garden/network/port_pool.h"

#include <algorithm>
#include <string>

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
  taken_.insert(port);
  return port;
}

void PortPool::take(std::uint32_t port) {
  if (!taken_.insert(port).second) {
    throw clients::garden::GardenError("port already acquired: " + std::to_string(port));
  }
  if (in_range(port)) free_.erase(std::find(free_.begin(), free_.end(), port));
}

void PortPool::release(std::uint32_t port) {
  if (taken_.erase(port) == 0) return;
  if (in_range(port)) free_.push_back(port);
}

std::uint32_t PortPool::offset() const { return free_.empty() ? 0 : free_.front() - start_; }

}  // namespace rivera::garden
