// The records of one kind in blocks, so that a list of all of them takes a reference to each block instead of one to
// each record, and finds them without a walk over an index.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "bbs/records/record.h"
#include "models/forms/wire.h"

namespace rivera::bbs {

// Where a record is among those of its kind. It stays there while it is replaced by its successors.
using Place = std::uint32_t;

// The forms in which lists answer with a record.
template <typename Record>
struct ListForms;
template <>
struct ListForms<ActualLRPRecord> {
  static constexpr std::array kAll = {&ActualLRPRecord::wire};
};
template <>
struct ListForms<DesiredLRPRecord> {
  static constexpr std::array kAll = {&DesiredLRPRecord::wire, &DesiredLRPRecord::scheduling_info,
                                      &DesiredLRPRecord::routing_info};
};

// The field of a response that repeats the records of a list (docs/spec/bbs.md §1.6).
inline constexpr std::uint32_t kListField = 2;

template <typename Record>
struct RecordBlock {
  static constexpr std::size_t kRecords = 64;
  std::array<std::shared_ptr<const Record>, kRecords> records;
  std::uint64_t taken = 0;  // a bit for each record that is there
};

// Calls `visit(i)` for each bit that is set.
template <typename Visit>
void for_each_bit(std::uint64_t bits, Visit visit) {
  for (; bits != 0; bits &= bits - 1) visit(static_cast<std::size_t>(std::countr_zero(bits)));
}

// Some or all records as they were at one moment.
template <typename Record>
struct RecordSnapshot {
  using Form = const std::string Record::*;
  struct Part {
    std::shared_ptr<const RecordBlock<Record>> block;
    std::uint64_t selected = 0;  // a bit for each record
  };
  std::vector<Part> parts;
  std::size_t count = 0;                                              // records
  std::array<std::uint64_t, ListForms<Record>::kAll.size()> sizes{};  // bytes of a list of them, in each form

  std::uint64_t size_in(Form form) const {
    const auto& forms = ListForms<Record>::kAll;
    const auto found = std::find(forms.begin(), forms.end(), form);
    RIVERA_CHECK(found != forms.end(), "lists have this form");
    return sizes[static_cast<std::size_t>(found - forms.begin())];
  }
  // Counts `record` once more (`by`: 1) or less (-1).
  void count_in(const Record& record, int by) {
    count += static_cast<std::size_t>(by);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto size = models::field_size(kListField, (record.*ListForms<Record>::kAll[i]).size());
      sizes[i] += static_cast<std::uint64_t>(by) * size;
    }
  }
};

// All records of a kind. A block that a snapshot has is never changed: the first change after a snapshot copies the
// block. Every operation costs O(1), a snapshot O(blocks). Used on one strand; snapshots may be read and dropped on
// any.
template <typename Record>
class RecordBlocks {
 public:
  using Block = RecordBlock<Record>;
  using Pointer = std::shared_ptr<const Record>;

  RecordBlocks() = default;
  RecordBlocks(RecordBlocks&&) noexcept = default;
  RecordBlocks& operator=(RecordBlocks&&) noexcept = default;
  RecordBlocks(const RecordBlocks& other) : slots_(other.slots_), open_(other.open_), all_(other.all_) {
    for (Slot& slot : slots_) {
      if (slot.block) slot.block = std::make_shared<Block>(*slot.block);
      slot.made_after = 0;
    }
  }
  RecordBlocks& operator=(const RecordBlocks& other) { return *this = RecordBlocks(other); }

  Place add(Pointer record) {
    const std::size_t number = with_room();
    Block& block = writable(number);
    const auto bit = static_cast<std::size_t>(std::countr_one(block.taken));
    all_.count_in(*record, 1);
    block.records[bit] = std::move(record);
    block.taken |= std::uint64_t{1} << bit;
    return static_cast<Place>(number * Block::kRecords + bit);
  }

  void replace(Place place, Pointer record) {
    Block& block = holding(place);
    Pointer& at = block.records[place % Block::kRecords];
    all_.count_in(*at, -1);
    all_.count_in(*record, 1);
    at = std::move(record);
  }

  void remove(Place place) {
    Block& block = holding(place);
    const std::size_t number = place / Block::kRecords;
    all_.count_in(*block.records[place % Block::kRecords], -1);
    block.records[place % Block::kRecords].reset();
    block.taken &= ~bit_of(place);
    Slot& slot = slots_[number];
    if (block.taken == 0) slot.block.reset();
    if (!std::exchange(slot.is_open, true)) open_.push_back(static_cast<Place>(number));
  }

  // Numbers of blocks are below this; a record at `place` is in number place / RecordBlock::kRecords.
  std::size_t block_count() const { return slots_.size(); }
  // Null if it is empty.
  const Block* block(std::size_t number) const { return slots_[number].block.get(); }

  RecordSnapshot<Record> snapshot() const {
    ++snapshots_;
    RecordSnapshot<Record> snapshot;
    snapshot.count = all_.count;
    snapshot.sizes = all_.sizes;
    snapshot.parts.reserve(slots_.size());
    for (const Slot& slot : slots_) {
      if (slot.block) snapshot.parts.push_back({slot.block, slot.block->taken});
    }
    return snapshot;
  }

 private:
  struct Slot {
    std::shared_ptr<Block> block;
    std::uint64_t made_after = 0;  // how many snapshots: fewer than now means that one may have it
    bool is_open = false;          // in `open_`
  };

  static std::uint64_t bit_of(Place place) { return std::uint64_t{1} << place % Block::kRecords; }

  // The number of a block that is not full.
  std::size_t with_room() {
    for (; !open_.empty(); open_.pop_back()) {
      Slot& slot = slots_[open_.back()];
      if (!slot.block || ~slot.block->taken != 0) return open_.back();
      slot.is_open = false;
    }
    slots_.push_back({nullptr, 0, true});
    open_.push_back(static_cast<Place>(slots_.size() - 1));
    return slots_.size() - 1;
  }

  Block& writable(std::size_t number) {
    Slot& slot = slots_[number];
    if (!slot.block) {
      slot.block = std::make_shared<Block>();
      slot.made_after = snapshots_;
    } else if (slot.made_after != snapshots_) {
      slot.block = std::make_shared<Block>(*slot.block);
      slot.made_after = snapshots_;
    }
    return *slot.block;
  }

  Block& holding(Place place) {
    const std::size_t number = place / Block::kRecords;
    RIVERA_CHECK(number < slots_.size() && slots_[number].block && (slots_[number].block->taken & bit_of(place)) != 0,
                 "a record that is taken out is at its place");
    return writable(number);
  }

  std::vector<Slot> slots_;
  std::vector<Place> open_;              // numbers of blocks that may have room
  RecordSnapshot<Record> all_;           // its sums only
  mutable std::uint64_t snapshots_ = 0;  // taken so far
};

// What is known of each record of a kind, one bit; by its place.
class PlaceMarks {
 public:
  void mark(Place place) {
    const std::size_t number = place / 64;
    if (number >= bits_.size()) bits_.resize(number + 1);
    bits_[number] |= std::uint64_t{1} << place % 64;
  }
  // The marks in a block of 64 places.
  std::uint64_t of_block(std::size_t number) const { return number < bits_.size() ? bits_[number] : 0; }

 private:
  std::vector<std::uint64_t> bits_;
};

}  // namespace rivera::bbs
