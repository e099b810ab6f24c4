#include "locket/locks/expiry_table.h"

#include <limits>

#include <gtest/gtest.h>

namespace rivera::locket {
namespace {

using std::chrono::seconds;

LockRecord a_lock(const std::string& key, std::int64_t index, std::int64_t ttl, const std::string& id = "id") {
  return {.key = key, .owner = "owner", .type = "lock", .modified_index = index, .modified_id = id, .ttl_seconds = ttl};
}

class Expiry : public testing::Test {
 protected:
  std::vector<std::string> take_due() {
    std::vector<std::string> keys;
    for (const auto& record : table_.take_due(now_, 100)) keys.push_back(record.key);
    return keys;
  }
  using Keys = std::vector<std::string>;

  ExpiryTable table_;
  Instant now_{seconds(1000)};
};

TEST_F(Expiry, ComesWhenTheTimeToLiveHasPassedAndNotBefore) {
  table_.observe(a_lock("k", 1, 15), now_);
  now_ += seconds(14);
  EXPECT_EQ(take_due(), Keys{});
  now_ += seconds(1);
  EXPECT_EQ(take_due(), Keys{"k"});
  EXPECT_EQ(take_due(), Keys{});
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(Expiry, CountsFromTheLatestRefresh) {
  table_.observe(a_lock("k", 1, 15), now_);
  now_ += seconds(10);
  table_.observe(a_lock("k", 2, 15), now_);
  now_ += seconds(14);
  EXPECT_EQ(take_due(), Keys{});
  now_ += seconds(1);
  const auto due = table_.take_due(now_, 1);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due.front().modified_index, 2);
}

TEST_F(Expiry, IsNotMovedBySeeingTheSameOrAnOlderStateAgain) {
  table_.observe(a_lock("k", 2, 15), now_);
  now_ += seconds(10);
  table_.observe(a_lock("k", 2, 15), now_);
  table_.observe(a_lock("k", 1, 100), now_);
  now_ += seconds(5);
  EXPECT_EQ(take_due(), Keys{"k"});
}

TEST_F(Expiry, FollowsATimeToLiveThatChanges) {
  table_.observe(a_lock("k", 1, 100), now_);
  table_.observe(a_lock("k", 2, 5), now_);
  now_ += seconds(5);
  EXPECT_EQ(take_due(), Keys{"k"});
}

TEST_F(Expiry, KeepsALockApartFromItsSuccessorOfTheSameKey) {
  table_.observe(a_lock("k", 7, 10, "first"), now_);
  table_.observe(a_lock("k", 1, 20, "second"), now_);
  now_ += seconds(10);
  const auto due = table_.take_due(now_, 10);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due.front().modified_id, "first");
  EXPECT_EQ(table_.next(), now_ + seconds(10));
}

TEST_F(Expiry, ForgetsWhatWasReleased) {
  table_.observe(a_lock("k", 1, 10), now_);
  table_.forget("k", "other id");
  EXPECT_EQ(table_.size(), 1u);
  table_.forget("k", "id");
  EXPECT_EQ(table_.next(), std::nullopt);
}

TEST_F(Expiry, GivesTheOldestFirstAndNoMoreThanAskedFor) {
  for (int i = 0; i < 5; ++i) table_.observe(a_lock(std::to_string(i), 1, 5 - i), now_);
  now_ += seconds(5);
  EXPECT_EQ(table_.take_due(now_, 2).front().key, "4");
  EXPECT_EQ(take_due(), (Keys{"2", "1", "0"}));
}

TEST_F(Expiry, IsPostponedForTimeInWhichTheProcessWasStopped) {
  table_.observe(a_lock("k", 1, 10), now_);
  table_.put_off(seconds(30));
  now_ += seconds(39);
  EXPECT_EQ(take_due(), Keys{});
  now_ += seconds(1);
  EXPECT_EQ(take_due(), Keys{"k"});
}

TEST_F(Expiry, TakesAnyNumberForATimeToLive) {
  table_.observe(a_lock("long", 1, std::numeric_limits<std::int64_t>::max()), now_);
  table_.observe(a_lock("past", 1, std::numeric_limits<std::int64_t>::min()), now_);
  EXPECT_EQ(take_due(), Keys{"past"});
}

}  // namespace
}  // namespace rivera::locket
