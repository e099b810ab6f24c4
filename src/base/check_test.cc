#include "base/check.h"

#include <signal.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace rivera::base {
namespace {

TEST(Check, LetsPassWhatHolds) {
  int evaluations = 0;
  RIVERA_CHECK(++evaluations == 1, "this is evaluated once");
  EXPECT_EQ(evaluations, 1);
}

TEST(CheckDeathTest, EndsTheProcessAndSaysWhatFailedAndWhere) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const int balance = -1;
  EXPECT_EXIT(RIVERA_CHECK(balance >= 0, "no more is given back than was taken"), testing::KilledBySignal(SIGABRT),
              "check failed: no more is given back than was taken \\(balance >= 0\\) at "
              "src/base/check_test.cc:[0-9]+\n(.|\n)*base_test");
}

TEST(CheckDeathTest, ActsForTheLastTimeBeforeTheEnd) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto die = [] {
    set_last_act(+[]() noexcept { [[maybe_unused]] const auto written = ::write(2, "the last act\n", 13); });
    RIVERA_CHECK(false, "never");
  };
  EXPECT_EXIT(die(), testing::KilledBySignal(SIGABRT), "the last act");
}

}  // namespace
}  // namespace rivera::base
