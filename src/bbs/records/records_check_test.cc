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

// Instances in a row; any of them can be taken out.
ActualLRPPtr an_instance(int index) {
  auto made = std::make_shared<ActualLRPRecord>();
  made->lrp.mutable_actual_lrp_key()->set_process_guid("p");
  made->lrp.mutable_actual_lrp_key()->set_index(index);
  return made;
}

TEST(Records, InstancesAreTakenOutInAnyOrderAndComeBack) {
  constexpr int kCount = 100;
  for (const int step : {1, 7, 99}) {
    Records records;
    std::vector<ActualLRPPtr> instances;
    for (int i = 0; i < kCount; ++i) {
      instances.push_back(an_instance(i));
      records.apply(Swap<ActualLRPRecord>{nullptr, instances.back()});
    }
    for (int n = 0, i = 0; n < kCount; ++n, i = (i + step) % kCount) {
      records.apply(Swap<ActualLRPRecord>{instances[i], nullptr});
      EXPECT_FALSE(records.lrps("p", i).ordinary());
      records.apply(Swap<ActualLRPRecord>{nullptr, instances[i]});
      EXPECT_EQ(records.lrps("p", i).ordinary(), instances[i]);
      records.apply(Swap<ActualLRPRecord>{instances[i], nullptr});
      const Process* process = records.process("p");
      ASSERT_EQ(process == nullptr, n + 1 == kCount);
      EXPECT_LE(process == nullptr ? 0u : 2 * process->gaps, process == nullptr ? 0u : process->instances.size());
      EXPECT_EQ(records.list().actual_lrps.size(), static_cast<std::size_t>(kCount - n - 1));
    }
  }
}

}  // namespace
}  // namespace rivera::bbs
