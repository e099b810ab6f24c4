#include <signal.h>

#include <gtest/gtest.h>

#include "bbs/records/records.h"

namespace rivera::bbs {
namespace {

DomainPtr a_domain() {
  auto domain = std::make_shared<DomainRecord>();
  domain->name = "d";
  return domain;
}

class RecordsDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  Records records_;
};

TEST_F(RecordsDeathTest, NothingIsTakenOutThatIsNotThere) {
  const Swap<DomainRecord> deletion{a_domain(), nullptr};
  EXPECT_EXIT(records_.apply(deletion), testing::KilledBySignal(SIGABRT), "a domain that is taken out is here");
}

TEST_F(RecordsDeathTest, AChangeHasARecord) {
  EXPECT_EXIT(records_.apply(Swap<ActualLRPRecord>{}), testing::KilledBySignal(SIGABRT),
              "a change has a record before or after it");
}

TEST_F(RecordsDeathTest, ATaskIsReplacedByItsSuccessorOnly) {
  const auto task = [] {
    auto made = std::make_shared<TaskRecord>();
    made->task.set_task_guid("t");
    return made;
  };
  records_.apply(Swap<TaskRecord>{nullptr, task()});
  EXPECT_EXIT(records_.apply(Swap<TaskRecord>{task(), task()}), testing::KilledBySignal(SIGABRT),
              "a task is replaced by its successor");
}

}  // namespace
}  // namespace rivera::bbs
