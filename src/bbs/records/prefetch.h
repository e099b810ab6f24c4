// Iteration over very many records with software prefetch. The records are scattered over the heap, so cache misses
// dominate the cost of a list; prefetching the next ones makes their misses overlap.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "bbs/records/records.h"

namespace rivera::bbs {

// Prefetch distance in records: about a hundred nanoseconds of work.
inline constexpr std::size_t kPrefetchDistance = 12;

inline void prefetch(const void* memory) { __builtin_prefetch(memory); }

inline void prefetch_bytes(const void* memory, std::size_t size) {
  constexpr std::size_t kLine = 64;
  for (std::size_t at = 0; at < size; at += kLine) prefetch(static_cast<const char*>(memory) + at);
}

// Prefetches a text, up to the length after which the hardware prefetcher takes over.
inline void prefetch_text(std::string_view text) {
  constexpr std::size_t kMost = 256;
  prefetch_bytes(text.data(), std::min(kMost, text.size()));
}

template <typename Record>
using Found = std::vector<const std::shared_ptr<const Record>*>;

// Returns a shared view of each record found, made by `as(pointer)`.
template <typename Record, typename As>
auto share_each(const Found<Record>& found, As as) {
  std::vector<decltype(as(*found.front()))> shared;
  shared.reserve(found.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i + kPrefetchDistance < found.size())
      prefetch(found[i + kPrefetchDistance]->get());  // the reference count is beside the record
    shared.push_back(as(*found[i]));
  }
  return shared;
}

}  // namespace rivera::bbs
