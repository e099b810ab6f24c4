#include <algorithm>
#include <sys/resource.h>

#include <gtest/gtest.h>

#include "net/limits/connection_share.h"
#include "net/limits/head_budget.h"

namespace rivera::net {
namespace {

using namespace std::chrono_literals;

TEST(ConnectionShare, FollowsTheLimitOfDescriptors) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit narrow{1256, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &narrow), 0);
  EXPECT_EQ(connection_share(45, 20'000), 450u);
  EXPECT_EQ(connection_share(45, 100), 100u);
  EXPECT_EQ(connection_share(2, 1000), 20u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(ConnectionShare, ChoosesThoseThatHaveBeenIdleForLongest) {
  const auto start = std::chrono::steady_clock::time_point();
  EXPECT_TRUE(longest_idle({}, 10).empty());
  EXPECT_EQ(longest_idle({{start + 2s, 7}, {start + 1s, 8}, {start + 3s, 9}}, 3), (std::vector<std::uint64_t>{8}));
  std::vector<IdleConnection> many;
  for (std::uint64_t i = 0; i < 640; ++i) many.push_back({start + 1ms * (i * 37 % 640), i * 37 % 640});
  auto chosen = longest_idle(many, 640);
  std::sort(chosen.begin(), chosen.end());
  EXPECT_EQ(chosen, (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(HeadBudget, LeavesAPartForHeadsThatAreNotLarge) {
  auto budget = std::make_shared<HeadBudget>(1u << 20);
  {
    HeadReservation large, other, small;
    for (auto* reservation : {&large, &other, &small}) reservation->use(budget);
    EXPECT_TRUE(large.grow_to(700u << 10));
    EXPECT_TRUE(large.grow_to(10)) << "what it has is enough";
    EXPECT_FALSE(other.grow_to(100u << 10));
    EXPECT_TRUE(small.grow_to(32u << 10));
    EXPECT_EQ(budget->used(), 732u << 10);
    large.shrink_to(0);
    EXPECT_TRUE(other.grow_to(100u << 10));
  }
  EXPECT_EQ(budget->used(), 0u);
  HeadReservation unlimited;
  EXPECT_TRUE(unlimited.grow_to(1u << 30));
}

}  // namespace
}  // namespace rivera::net
