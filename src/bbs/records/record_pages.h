// Walks over very many records a page at a time, so that a list of all of them never keeps the strand of the records
// for long.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <unordered_map>

#include "bbs/records/prefetch.h"

namespace rivera::bbs {

// How many records a list looks at before others on the strand have their turn: a few milliseconds of work.
inline constexpr std::size_t kRecordsAtOnce = 20'000;

// A position in one of the indices of Records (by guid). Between two pages the records may change. An entry that is
// there from the first page to the last is visited once, others once or not at all, unless the index was rebuilt
// meanwhile: then the walk begins again.
class RecordPages {
 public:
  bool is_done() const { return is_done_; }

  // Visits the entries of the next page; `visit(guid, value)` returns by how many records an entry counts. Calls
  // `begin_again` first if what was visited so far does not count.
  template <typename Value, typename Visit, typename BeginAgain>
  void next(const std::unordered_map<std::string, Value>& index, std::size_t records, Visit visit,
            BeginAgain begin_again) {
    if (buckets_ != index.bucket_count()) {
      if (bucket_ > 0) begin_again();
      buckets_ = index.bucket_count();
      bucket_ = 0;
    }
    for (std::size_t visited = 0; bucket_ < buckets_ && visited < records;) visited += visit_some(index, visit);
    is_done_ = bucket_ == buckets_;
  }

 private:
  // The cache misses on so many buckets overlap.
  static constexpr std::size_t kBucketsAtOnce = 16;

  template <typename Value, typename Visit>
  std::size_t visit_some(const std::unordered_map<std::string, Value>& index, Visit& visit) {
    std::array<typename std::unordered_map<std::string, Value>::const_local_iterator, kBucketsAtOnce> entries;
    const std::size_t count = std::min(kBucketsAtOnce, buckets_ - bucket_);
    for (std::size_t i = 0; i < count; ++i) entries[i] = index.begin(bucket_ + i);
    for (std::size_t i = 0; i < count; ++i) {
      if (entries[i] != index.end(bucket_ + i)) prefetch(&*entries[i]);
    }
    std::size_t visited = 0;
    for (std::size_t i = 0; i < count; ++i, ++bucket_) {
      for (; entries[i] != index.end(bucket_); ++entries[i]) visited += visit(entries[i]->first, entries[i]->second);
    }
    return visited;
  }

  std::size_t buckets_ = 0;  // of the index; another number: it was rebuilt
  std::size_t bucket_ = 0;   // the next one
  bool is_done_ = false;
};

}  // namespace rivera::bbs
