#include "bbs/records/record_blocks.h"

#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace rivera::bbs {
namespace {

using Blocks = RecordBlocks<ActualLRPRecord>;
using Snapshot = RecordSnapshot<ActualLRPRecord>;

ActualLRPPtr with_bytes(std::size_t size) {
  auto made = std::make_shared<ActualLRPRecord>();
  made->wire = std::string(size, 'x');
  return made;
}

std::multiset<ActualLRPPtr> all_in(const Snapshot& snapshot) {
  std::multiset<ActualLRPPtr> all;
  for (const auto& part : snapshot.parts) {
    for_each_bit(part.selected, [&](std::size_t i) { all.insert(part.block->records[i]); });
  }
  return all;
}

std::uint64_t bytes_of_list(const std::multiset<ActualLRPPtr>& records) {
  std::string list;
  for (const ActualLRPPtr& record : records) models::append_field(list, kListField, record->wire);
  return list.size();
}

// A snapshot, and what was there when it was taken.
struct Taken {
  Snapshot snapshot;
  std::multiset<ActualLRPPtr> expected;

  void check() const {
    EXPECT_EQ(all_in(snapshot), expected);
    EXPECT_EQ(snapshot.count, expected.size());
    EXPECT_EQ(snapshot.size_in(&ActualLRPRecord::wire), bytes_of_list(expected));
  }
};

TEST(RecordBlocks, ASnapshotHoldsWhatWasThereWhateverComesAfterIt) {
  std::mt19937 random(4711);
  Blocks blocks;
  std::map<Place, ActualLRPPtr> here;
  std::vector<Taken> taken;
  const auto take = [&] {
    Taken now{blocks.snapshot(), {}};
    for (const auto& [place, record] : here) now.expected.insert(record);
    taken.push_back(std::move(now));
  };
  for (int step = 0; step < 4'000; ++step) {
    const bool is_shrinking = step / 500 % 2 == 1;
    const auto chosen = random() % 10;
    if (here.empty() || chosen < (is_shrinking ? 2u : 6u)) {
      const auto record = with_bytes(random() % 300);
      EXPECT_TRUE(here.emplace(blocks.add(record), record).second) << "a place is given to one record only";
    } else {
      auto at = here.lower_bound(static_cast<Place>(random() % 2'000));
      if (at == here.end()) at = here.begin();
      if (chosen == 9) {
        at->second = with_bytes(random() % 300);
        blocks.replace(at->first, at->second);
      } else {
        blocks.remove(at->first);
        here.erase(at);
      }
    }
    if (step % 97 == 0) take();
  }
  while (!here.empty()) {
    blocks.remove(here.begin()->first);
    here.erase(here.begin());
  }
  take();
  for (const Taken& each : taken) each.check();
  EXPECT_TRUE(taken.back().snapshot.parts.empty());
}

TEST(RecordBlocks, PlacesAreUsedAgain) {
  Blocks blocks;
  for (int round = 0; round < 10; ++round) {
    std::vector<Place> places;
    for (int i = 0; i < 1'000; ++i) places.push_back(blocks.add(with_bytes(1)));
    for (const Place place : places) blocks.remove(place);
  }
  EXPECT_LE(blocks.block_count(), 1'000 / RecordBlock<ActualLRPRecord>::kRecords + 1);
}

TEST(RecordBlocks, ACopyChangesOnItsOwn) {
  Blocks blocks;
  const auto first = with_bytes(1);
  const Place place = blocks.add(first);
  Blocks copy = blocks;
  copy.replace(place, with_bytes(2));
  EXPECT_EQ(all_in(blocks.snapshot()), std::multiset<ActualLRPPtr>{first});
  blocks.remove(place);
  EXPECT_EQ(copy.snapshot().count, 1u);
}

TEST(PlaceMarks, AreThoseThatWereMade) {
  PlaceMarks marks;
  marks.mark(3);
  marks.mark(130);
  EXPECT_EQ(marks.of_block(0), 8u);
  EXPECT_EQ(marks.of_block(1), 0u);
  EXPECT_EQ(marks.of_block(2), 4u);
  EXPECT_EQ(marks.of_block(3), 0u);
}

}  // namespace
}  // namespace rivera::bbs
