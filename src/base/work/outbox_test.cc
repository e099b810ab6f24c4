#include "base/work/outbox.h"

#include <thread>

#include <gtest/gtest.h>

namespace rivera::base {
namespace {

using namespace std::chrono_literals;

TEST(Outbox, GivesBatchesInOrderUpToTheirBounds) {
  Outbox<int> outbox({.items = 10, .weight = 100});
  for (int i = 0; i < 5; ++i) outbox.push(i, 10);
  EXPECT_EQ(outbox.take({2, 100}, 0s), (std::vector{0, 1}));
  EXPECT_EQ(outbox.take({5, 25}, 0s), (std::vector{2, 3}));
  EXPECT_EQ(outbox.take({5, 5}, 0s), (std::vector{4})) << "one alone may weigh more";
}

TEST(Outbox, LosesTheOldestWhenFull) {
  Outbox<int> by_number({.items = 2, .weight = 100});
  for (int i = 0; i < 3; ++i) by_number.push(i, 1);
  EXPECT_EQ(by_number.take({9, 100}, 0s), (std::vector{1, 2}));
  EXPECT_EQ(by_number.lost(), 1U);
  Outbox<int> by_weight({.items = 9, .weight = 10});
  for (int i = 0; i < 3; ++i) by_weight.push(i, 4);
  EXPECT_EQ(by_weight.take({9, 100}, 0s), (std::vector{1, 2}));
  EXPECT_EQ(by_weight.lost(), 1U);
}

TEST(Outbox, OnceClosedGivesTheRestAndThenNothing) {
  Outbox<int> outbox({.items = 2, .weight = 100});
  outbox.push(1, 1);
  outbox.close();
  outbox.push(2, 1);
  EXPECT_EQ(outbox.take({9, 100}, 1h), (std::vector{1})) << "without waiting for more";
  EXPECT_TRUE(outbox.take({9, 100}, 1h).empty());
}

}  // namespace
}  // namespace rivera::base
