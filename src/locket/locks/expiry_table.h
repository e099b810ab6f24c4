// When each lock and presence expires.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "locket/locks/lock_record.h"

namespace rivera::locket {

using Instant = std::chrono::steady_clock::time_point;

// Passive: the time is passed in. A lock's time to live counts from when this node first saw its modified_index
// (docs/spec/locket-and-auction.md §1.8), so that after a restart every lock has its full time to live.
class ExpiryTable {
 public:
  // Records a lock's state. Ignores the same or an older state of the same row. O(log n).
  void observe(const LockRecord& record, Instant now);
  // Removes a lock that was released.
  void forget(const std::string& key, const std::string& modified_id);
  // Removes and returns what has expired by `now`: at most `limit` entries, the oldest first.
  std::vector<LockRecord> take_due(Instant now, std::size_t limit);
  // When the next entry expires.
  std::optional<Instant> next() const;
  // Postpones every expiry: for a time in which this process was stopped and could not receive refreshes.
  void put_off(std::chrono::nanoseconds by);
  std::size_t size() const { return entries_.size(); }

 private:
  using Id = std::pair<std::string, std::string>;  // key and modified_id
  struct Entry {
    LockRecord record;  // without its value
    Instant deadline;
  };
  std::map<Id, Entry> entries_;
  std::set<std::pair<Instant, Id>> deadlines_;
};

}  // namespace rivera::locket
