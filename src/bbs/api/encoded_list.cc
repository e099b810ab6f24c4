#include "bbs/api/encoded_list.h"

#include <algorithm>

namespace rivera::bbs {
namespace {

class RecordsList final : public EncodedList {
 public:
  explicit RecordsList(EncodedRecords records) : records_(std::move(records)) {
    for (const EncodedRecord& record : records_) size_ += models::field_size(kListField, record.bytes.size());
  }

  std::size_t size() const override { return size_; }

  std::span<const std::string_view> next() override {
    for (; released_ < next_; ++released_) records_[released_].owner.reset();
    views_.clear();
    for (; next_ < records_.size() && views_.size() < kAtOnce; ++next_) {
      if (next_ + kAtOnce < records_.size()) {
        prefetch(records_[next_ + kAtOnce].owner.get());  // the reference count is beside it
        prefetch_text(records_[next_ + kAtOnce].bytes);
      }
      views_.push_back(records_[next_].bytes);
    }
    return views_;
  }

 private:
  static constexpr std::size_t kAtOnce = kPrefetchDistance;

  EncodedRecords records_;
  std::size_t size_ = 0;
  std::size_t next_ = 0, released_ = 0;
  std::vector<std::string_view> views_;
};

}  // namespace

EncodedRecord encoded_record(std::string bytes) {
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  const std::string_view view = *owner;
  return {std::move(owner), view};
}

std::unique_ptr<EncodedList> as_list(EncodedRecords records) {
  return std::make_unique<RecordsList>(std::move(records));
}

}  // namespace rivera::bbs
