// The guids that a request asks for, a page at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>

#include <google/protobuf/repeated_field.h>

namespace rivera::bbs {

// Guids without duplicates. A request may hold a million of them.
class GuidPages {
 public:
  // `guids` must outlive this.
  explicit GuidPages(const google::protobuf::RepeatedPtrField<std::string>& guids) : guids_(guids) {}

  bool is_done() const { return next_ == guids_.size(); }

  // Calls `visit(guid)` for each of the next page.
  template <typename Visit>
  void next(Visit visit) {
    const int end = std::min(guids_.size(), next_ + kAtOnce);
    for (; next_ < end; ++next_) {
      if (seen_.insert(guids_[next_]).second) visit(guids_[next_]);
    }
  }

 private:
  static constexpr int kAtOnce = 10'000;
  const google::protobuf::RepeatedPtrField<std::string>& guids_;
  int next_ = 0;
  std::unordered_set<std::string_view> seen_;
};

}  // namespace rivera::bbs
