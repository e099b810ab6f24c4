// The key of a stored record, and what is known about a record that cannot be read.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace rivera::bbs {

enum class RecordKind { kDomain, kTask, kDesiredLRP, kActualLRP };
inline constexpr RecordKind kRecordKinds[] = {RecordKind::kDomain, RecordKind::kTask, RecordKind::kDesiredLRP,
                                              RecordKind::kActualLRP};

// The primary key of a row.
struct RecordKey {
  RecordKind kind = RecordKind::kDomain;
  std::string guid;           // or the domain's name
  std::int32_t index = 0;     // of an actual LRP
  std::int32_t presence = 0;  // of an actual LRP

  auto operator<=>(const RecordKey&) const = default;
};

// A row whose columns cannot be decrypted or decoded (docs/spec/bbs.md §4.9).
struct UnreadableRecord {
  RecordKey key;
  std::string domain;
  std::string cell_id;  // of a task
  // True if the row may be deleted. False if it is only left out of lists, or if some key may be missing from the
  // configuration.
  bool is_lost = false;
  std::string label;  // of the key that may still open it; "" = none
  std::string why;    // for the log: never holds content
};

}  // namespace rivera::bbs
