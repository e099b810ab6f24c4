#include "garden/ids/id_ranges.h"

#include <gtest/gtest.h>

#include "clients/garden/garden_types.h"
#include "garden/ids/id_mapping.h"

namespace rivera::garden {
namespace {

using Range = IdMapping::Range;

TEST(IdMappings, AreTranslatedIdById) {
  const IdMapping disk{{{0, 4'294'967'294, 1}, {1, 1, 4'294'967'293}}, {{0, 4'294'967'294, 1}, {1, 1, 100}}};
  const IdMapping own = own_mapping(2'415'919'104, 65'536);
  const IdMapping made = translation(disk, own);
  EXPECT_EQ(made.uids, (std::vector<Range>{{4'294'967'294, 2'415'919'104, 1},
                                           {1, 2'415'919'105, 65'535},
                                           {0, 0, 1},
                                           {65'536, 65'536, 2'415'853'568},
                                           {2'415'984'640, 2'415'984'640, 1'878'982'654}}));
  ASSERT_EQ(made.gids.size(), 5u);
  EXPECT_EQ(made.gids[1], (Range{1, 2'415'919'105, 100}));
  EXPECT_EQ(made.gids[3], (Range{101, 101, 2'415'919'003}));
  // What upstream's flags can make of the disk's mapping: users from 1 on are host users from 5000 on.
  const IdMapping moved{{{0, 9, 1}, {1, 5000, 10}}, {{0, 9, 1}, {1, 5000, 10}}};
  const auto moved_uids = translation(moved, own).uids;
  ASSERT_EQ(moved_uids.size(), 6u);
  EXPECT_EQ(moved_uids[0], (Range{9, 2'415'919'104, 1}));
  EXPECT_EQ(moved_uids[1], (Range{5000, 2'415'919'105, 10}));
  EXPECT_EQ(moved_uids[2], (Range{0, 0, 9}));
  EXPECT_TRUE(translation({}, own).uids.empty());
  EXPECT_EQ(own.host_uid(2000), 2'415'921'104u);
  EXPECT_FALSE(own.has_uid(65'536));
}

class IdRangesTest : public ::testing::Test {
 protected:
  IdRangesTest() {
    options_.container_id_pool_start = 1'000'000;
    options_.container_id_pool_size = 3 * 65'536;
    host_.largest_id = 4'294'967'294;
  }
  IdRanges ranges() const { return IdRanges(options_, host_, file_); }

  base::TemporaryDirectory place_{"rivera-ids-"};
  std::string file_ = std::string(place_.path()) + "/ids.lock";
  Options options_;
  Host host_;
};

constexpr std::uint32_t kStart = 1'000'000, kLength = 65'536;

TEST_F(IdRangesTest, AreTakenOnceAndGivenBack) {
  auto ours = ranges();
  EXPECT_EQ(ours.take(), kStart);
  EXPECT_EQ(ours.take(), kStart + kLength);
  EXPECT_EQ(ours.take(), kStart + 2 * kLength);
  EXPECT_THROW(ours.take(), clients::garden::GardenError);
  ours.give_back(kStart + kLength);
  ours.give_back(kStart + kLength);
  EXPECT_EQ(ours.take(), kStart + kLength);
}

TEST_F(IdRangesTest, OfAnotherGardenAreLeftAlone) {
  auto ours = ranges();
  auto others = ranges();
  EXPECT_EQ(ours.take(), kStart);
  EXPECT_EQ(others.take(), kStart + kLength);
  EXPECT_EQ(ours.take(), kStart + 2 * kLength);
  others.give_back(kStart + kLength);
  EXPECT_EQ(ours.take(), kStart + kLength);
}

// The garden has ended, its container has not: the shim's lock stays.
TEST_F(IdRangesTest, OfARunningContainerAreLeftAlone) {
  auto shims = std::make_unique<IdRanges>(ranges());
  {
    auto ended = ranges();
    EXPECT_EQ(ended.take(), kStart);
    shims->adopt(kStart, kLength);
  }
  auto other = ranges();
  EXPECT_EQ(other.take(), kStart + kLength);
  auto next = ranges();
  next.adopt(kStart, kLength);
  shims.reset();
  EXPECT_EQ(other.take(), kStart + 2 * kLength);
  EXPECT_THROW(other.take(), clients::garden::GardenError);
  next.give_back(kStart);
  EXPECT_EQ(other.take(), kStart);
}

// The flags were changed between two servers.
TEST_F(IdRangesTest, DoNotOverlapThoseOfAnotherLength) {
  auto ours = ranges();
  ours.adopt(kStart + 100, 10);
  ours.adopt(kStart + 2 * kLength - 5, 10);
  EXPECT_THROW(ours.take(), clients::garden::GardenError);
  ours.give_back(kStart + 2 * kLength - 5);
  EXPECT_EQ(ours.take(), kStart + kLength);
  options_.container_id_pool_size = 0x7fffffff;
  host_.largest_id = kStart + kLength - 1;
  EXPECT_THROW(ranges().take(), clients::garden::GardenError);
}

}  // namespace
}  // namespace rivera::garden
