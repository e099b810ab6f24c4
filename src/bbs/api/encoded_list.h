// The content of a list: encoded records that are sent without a copy of them all.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/post.hpp>

#include "base/asio.h"
#include "bbs/records/prefetch.h"
#include "bbs/records/record_blocks.h"
#include "bbs/records/record_pages.h"

namespace rivera::bbs {

// The encoded form of a record, in memory for as long as `owner` lives. Where the bytes are is noted here, because the
// records of a list are scattered over the heap: to look it up in each costs as much as to send them.
struct EncodedRecord {
  std::shared_ptr<const void> owner;
  std::string_view bytes;
};
// One that owns its bytes.
EncodedRecord encoded_record(std::string bytes);
using EncodedRecords = std::vector<EncodedRecord>;

class EncodedList {
 public:
  virtual ~EncodedList() = default;
  // Bytes of all of them as entries of a response.
  virtual std::size_t size() const = 0;
  // The next ones, a few; none at the end. They are valid until the next call.
  virtual std::span<const std::string_view> next() = 0;
};

std::unique_ptr<EncodedList> as_list(EncodedRecords records);

// Those that a snapshot has selected. Reads each record's cache lines ahead, so that their misses overlap.
template <typename Record>
class SnapshotList final : public EncodedList {
 public:
  using Form = typename RecordSnapshot<Record>::Form;
  SnapshotList(RecordSnapshot<Record> snapshot, Form form)
      : parts_(std::move(snapshot.parts)), form_(form), size_(snapshot.size_in(form)) {
    prefetch_records(0);
    collect(0);
    prefetch_records(1);
  }

  std::size_t size() const override { return size_; }

  std::span<const std::string_view> next() override {
    std::span<const std::string_view> views;
    while (views.empty() && next_ < parts_.size()) {
      if (next_ > 0) parts_[next_ - 1] = {};
      views = views_[next_ % 2];
      ++next_;
      collect(next_);
      prefetch_records(next_ + 1);
    }
    return views;
  }

 private:
  void prefetch_records(std::size_t number) const {
    if (number + 1 < parts_.size()) prefetch_bytes(parts_[number + 1].block.get(), sizeof(RecordBlock<Record>));
    if (number >= parts_.size()) return;
    const auto& part = parts_[number];
    for_each_bit(part.selected, [&part](std::size_t i) { prefetch(part.block->records[i].get()); });
  }

  // Notes where the bytes of a block's records are, and prefetches the first ones.
  void collect(std::size_t number) {
    if (number >= parts_.size()) return;
    std::vector<std::string_view>& views = views_[number % 2];
    views.clear();
    const auto& part = parts_[number];
    for_each_bit(part.selected, [&](std::size_t i) { views.push_back((*part.block->records[i]).*form_); });
    for (std::size_t i = 0; i < std::min(kPrefetchDistance, views.size()); ++i) prefetch_text(views[i]);
  }

  std::vector<typename RecordSnapshot<Record>::Part> parts_;
  const Form form_;
  const std::size_t size_;
  std::size_t next_ = 0;                                // in `parts_`
  std::array<std::vector<std::string_view>, 2> views_;  // of the parts with even and with odd numbers
};

template <typename Record>
std::unique_ptr<EncodedList> as_list(RecordSnapshot<Record> snapshot, typename RecordSnapshot<Record>::Form form) {
  return std::make_unique<SnapshotList<Record>>(std::move(snapshot), form);
}

// Leaves in `snapshot` only the records for which `selects` is true. Others have their turns meanwhile.
template <typename Record, typename Selects>
asio::awaitable<void> select_from(RecordSnapshot<Record>& snapshot, Selects selects) {
  const auto executor = co_await asio::this_coro::executor;
  RecordSnapshot<Record> selected;
  std::size_t looked_at = 0;
  for (auto& part : snapshot.parts) {
    for_each_bit(part.selected, [&part](std::size_t i) { prefetch(part.block->records[i].get()); });
    std::uint64_t bits = 0;
    for_each_bit(part.selected, [&](std::size_t i) {
      const Record& record = *part.block->records[i];
      if (!selects(record)) return;
      bits |= std::uint64_t{1} << i;
      selected.count_in(record, 1);
    });
    if (bits != 0) selected.parts.push_back({std::move(part.block), bits});
    part = {};
    looked_at += RecordBlock<Record>::kRecords;
    if (looked_at < kRecordsAtOnce) continue;
    looked_at = 0;
    co_await asio::post(executor, asio::use_awaitable);
  }
  snapshot = std::move(selected);
}

// A reference to each record of a snapshot.
template <typename Record>
std::vector<std::shared_ptr<const Record>> records_of(const RecordSnapshot<Record>& snapshot) {
  std::vector<std::shared_ptr<const Record>> records;
  records.reserve(snapshot.count);
  for (const auto& part : snapshot.parts) {
    for_each_bit(part.selected, [&](std::size_t i) { records.push_back(part.block->records[i]); });
  }
  return records;
}

}  // namespace rivera::bbs
