// Going through very many records. They lie all over the memory: asking for the next ones before they are needed makes
// waiting for one overlap with waiting for the others, which is most of what such a walk costs.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "bbs/records/records.h"

namespace rivera::bbs {

// How many records ahead to ask: some hundred nanoseconds' worth of work.
inline constexpr std::size_t kAhead = 12;

inline void ask_for(const void* memory) { __builtin_prefetch(memory); }

// The whole of a text, as far as the processor does not go on by itself.
inline void ask_for_text(const std::string& text) {
  constexpr std::size_t kLine = 64, kLines = 4;
  for (std::size_t at = 0; at < kLines * kLine && at < text.size(); at += kLine) ask_for(text.data() + at);
}

// Calls `visit(process)` for each.
template <typename Visit>
void for_each_process(const Records& records, Visit visit) {
  const auto& processes = records.processes();
  auto ahead = processes.begin();
  for (std::size_t i = 0; i < kAhead && ahead != processes.end(); ++i) ++ahead;
  for (const auto& [guid, process] : processes) {
    if (ahead != processes.end()) {
      ask_for(ahead->second.instances.data());
      ++ahead;
    }
    visit(process);
  }
}

template <typename Record>
using Found = std::vector<const std::shared_ptr<const Record>*>;

// Shares what has been found, each as `as(pointer)`.
template <typename Record, typename As>
auto share_each(const Found<Record>& found, As as) {
  std::vector<decltype(as(*found.front()))> shared;
  shared.reserve(found.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i + kAhead < found.size()) ask_for(found[i + kAhead]->get());  // its count lies beside the record
    shared.push_back(as(*found[i]));
  }
  return shared;
}

template <typename Record>
std::vector<std::shared_ptr<const Record>> share_all(const Found<Record>& found) {
  return share_each<Record>(found, [](const std::shared_ptr<const Record>& record) { return record; });
}

// One encoded form of each: `share_all(found, &ActualLRPRecord::wire)`.
template <typename Record>
std::vector<std::shared_ptr<const std::string>> share_all(const Found<Record>& found, const std::string Record::*form) {
  return share_each<Record>(found, [form](const std::shared_ptr<const Record>& record) {
    return std::shared_ptr<const std::string>(record, &((*record).*form));
  });
}

}  // namespace rivera::bbs
