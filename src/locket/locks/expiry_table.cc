#include "locket/locks/expiry_table.h"

#include <algorithm>

namespace rivera::locket {
namespace {

// Longer times to live would overflow. No caller can observe the difference.
constexpr std::int64_t kLongestTtlSeconds = 10LL * 365 * 24 * 3600;

}  // namespace

void ExpiryTable::observe(const LockRecord& record, Instant now) {
  const auto ttl = std::chrono::seconds(std::clamp<std::int64_t>(record.ttl_seconds, 0, kLongestTtlSeconds));
  const Instant deadline = now + ttl;
  const Id id(record.key, record.modified_id);
  const auto [place, is_new] = entries_.try_emplace(id);
  Entry& entry = place->second;
  if (!is_new) {
    if (entry.record.modified_index >= record.modified_index) return;
    deadlines_.erase({entry.deadline, id});
  }
  entry.record = record;
  entry.record.value.clear();
  entry.deadline = deadline;
  deadlines_.emplace(deadline, id);
}

void ExpiryTable::forget(const std::string& key, const std::string& modified_id) {
  const auto place = entries_.find(Id(key, modified_id));
  if (place == entries_.end()) return;
  deadlines_.erase({place->second.deadline, place->first});
  entries_.erase(place);
}

std::vector<LockRecord> ExpiryTable::take_due(Instant now, std::size_t limit) {
  std::vector<LockRecord> due;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now && due.size() < limit) {
    const auto place = entries_.find(deadlines_.begin()->second);
    due.push_back(std::move(place->second.record));
    entries_.erase(place);
    deadlines_.erase(deadlines_.begin());
  }
  return due;
}

std::optional<Instant> ExpiryTable::next() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

void ExpiryTable::put_off(std::chrono::nanoseconds by) {
  deadlines_.clear();
  for (auto& [id, entry] : entries_) {
    entry.deadline += std::chrono::duration_cast<Instant::duration>(by);
    deadlines_.emplace(entry.deadline, id);
  }
}

}  // namespace rivera::locket
