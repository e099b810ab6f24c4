// Tells whether this BBS is the active one at this moment (docs/durability.md).
#pragma once

#include <functional>
#include <stdexcept>

namespace rivera::bbs {

// True while the lock is certainly held by our own clock. May be called from any thread. Call it last, just before
// something leaves the process, because everything before may have taken longer than the lock lasts.
using HasLock = std::function<bool()>;

class LockLost : public std::runtime_error {
 public:
  LockLost() : std::runtime_error("this BBS does not hold the lock") {}
};

// Throws LockLost.
inline void require_lock(const HasLock& has_lock) {
  if (!has_lock()) throw LockLost();
}

}  // namespace rivera::bbs
