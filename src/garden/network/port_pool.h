// Host ports for containers (docs/spec/garden.md §3.5). Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <set>

namespace rivera::garden {

// First in, first out, so that a port rests as long as possible before it serves another container.
class PortPool {
 public:
  // `offset` (below `size`) is where to begin.
  PortPool(std::uint32_t start, std::uint32_t size, std::uint32_t offset = 0);

  // Throws clients::garden::GardenError("port pool is exhausted").
  std::uint32_t acquire();
  // A particular port, inside the pool's range or not. Throws GardenError("port already acquired: N").
  void take(std::uint32_t port);
  // Of a port that was not acquired: nothing happens.
  void release(std::uint32_t port);

  // Where the next pool should begin, to go on where this one is.
  std::uint32_t offset() const;

 private:
  bool in_range(std::uint32_t port) const { return port >= start_ && port - start_ < size_; }
  std::uint32_t start_, size_;
  std::deque<std::uint32_t> free_;
  std::set<std::uint32_t> taken_;
};

}  // namespace rivera::garden
