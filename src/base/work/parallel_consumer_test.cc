#include "base/work/parallel_consumer.h"

#include <gtest/gtest.h>

namespace rivera::base {
namespace {

TEST(ParallelConsumer, ConsumesEverythingOnItsThreads) {
  std::vector<int> sums(3);
  ParallelConsumer<int> consumer(sums.size(), [&sums](int item, std::size_t thread) { sums[thread] += item; });
  for (int i = 1; i <= 1000; ++i) consumer.push(i);
  consumer.finish();
  EXPECT_EQ(sums[0] + sums[1] + sums[2], 500500);
}

TEST(ParallelConsumer, BringsAFailureBack) {
  const auto fail = [](int, std::size_t) { throw std::runtime_error("from a thread"); };
  ParallelConsumer<int> consumer(2, fail);
  const auto push_without_end = [&consumer] {
    for (;;) consumer.push(1);
  };
  EXPECT_THROW(push_without_end(), std::runtime_error);
  EXPECT_THROW(consumer.finish(), std::runtime_error);
}

}  // namespace
}  // namespace rivera::base
