#include "auction/batch.h"

#include <gtest/gtest.h>

namespace rivera::auction {
namespace {

models::LRPStartRequest lrp_request(std::string guid, std::vector<std::int32_t> indices, std::string domain = "d") {
  models::LRPStartRequest request;
  request.process_guid = std::move(guid);
  request.domain = std::move(domain);
  request.indices = std::move(indices);
  return request;
}

models::TaskStartRequest task_request(std::string guid, std::int32_t memory = 1) {
  models::TaskStartRequest request;
  request.task.task_guid = std::move(guid);
  request.task.resource.memory_mb = memory;
  return request;
}

TEST(Batch, HoldsOneAuctionForEachIndex) {
  Batch batch;
  batch.add(lrp_request("p", {3, 1}), base::from_unix_nanos(7));
  ASSERT_EQ(batch.lrps().size(), 2u);
  EXPECT_EQ(batch.lrps()[0].lrp.index, 3);
  EXPECT_EQ(batch.lrps()[1].lrp.index, 1);
  EXPECT_EQ(batch.lrps()[0].arrived, base::from_unix_nanos(7));
}

TEST(Batch, KeepsTheFirstOfEqualInstancesWhateverTheirDomain) {
  Batch batch;
  batch.add(lrp_request("p", {0, 0}, "first"), {});
  batch.add(lrp_request("p", {0, 1}, "second"), {});
  ASSERT_EQ(batch.lrps().size(), 2u);
  EXPECT_EQ(batch.lrps()[0].lrp.domain, "first");
  EXPECT_EQ(batch.lrps()[1].lrp.index, 1);
}

TEST(Batch, KeepsTheFirstOfEqualTasks) {
  Batch batch;
  batch.add(task_request("t", 1), {});
  batch.add(task_request("t", 2), {});
  ASSERT_EQ(batch.tasks().size(), 1u);
  EXPECT_EQ(batch.tasks()[0].task.resource.memory_mb, 1);
}

TEST(Batch, DropsWhatItHasNoRoomFor) {
  Batch batch(3);
  EXPECT_EQ(batch.add(lrp_request("p", {0, 1}), {}), 0u);
  EXPECT_EQ(batch.add(lrp_request("p", {1, 2, 3, 4}), {}), 2u) << "one is known, one fits";
  EXPECT_EQ(batch.add(task_request("t"), {}), 1u);
  EXPECT_EQ(batch.drain().lrps().size(), 3u);
  EXPECT_EQ(batch.add(task_request("t"), {}), 0u) << "there is room again";
}

TEST(Batch, IsEmptyAfterADrain) {
  Batch batch;
  batch.add(lrp_request("p", {0}), {});
  batch.add(task_request("t"), {});
  EXPECT_EQ(batch.drain().lrps().size(), 1u);
  EXPECT_TRUE(batch.empty());
  batch.add(lrp_request("p", {0}), {});
  EXPECT_EQ(batch.lrps().size(), 1u);
}

}  // namespace
}  // namespace rivera::auction
