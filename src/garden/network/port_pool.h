// Host ports for containers (docs/spec/garden.md §3.5). Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <map>

namespace rivera::garden {

// First in, first out, so that a port stays unused as long as possible before another container gets it.
class PortPool {
 public:
  // Begins with the port at `offset`; one that is not below `size` counts as 0.
  PortPool(std::uint32_t start, std::uint32_t size, std::uint32_t offset = 0);

  // Throws clients::garden::GardenError("port pool is exhausted").
  std::uint32_t acquire();
  // A particular port, inside the pool's range or not. It may be acquired already: then it is released when both
  // have released it.
  void take(std::uint32_t port);
  // Without effect for a port that is not acquired.
  void release(std::uint32_t port);

  // The offset with which a next pool continues where this one is; 0 if no port is free.
  std::uint32_t offset() const;

 private:
  bool in_range(std::uint32_t port) const { return port >= start_ && port - start_ < size_; }
  std::uint32_t start_, size_;
  std::deque<std::uint32_t> free_;
  std::map<std::uint32_t, unsigned> taken_;  // how often
};

}  // namespace rivera::garden
