// A name server that never answers: what the cluster knows without it still works.
#include <algorithm>

#include <gtest/gtest.h>

#include "harness/app.h"
#include "harness/machine_cluster.h"

namespace rivera::harness {
namespace {

using std::chrono::seconds;

constexpr seconds kPlaced{30};   // an auction, the start of containers on a busy machine, routes
constexpr seconds kStopped{20};  // the grace period of an application included

models::Task task_of(const ClusterClient& cluster, const std::string& guid) {
  return cluster.with_bbs([&](clients::BbsClient& bbs) { return bbs.task(guid); });
}

// Machines know each other's programs from their hosts files, and cells by no more than their presences: the name in
// one is not known, its address is.
TEST(SilentNameServer, WorkIsStillPlacedRoutedCancelledAndStopped) {
  const MachineCluster cluster({.cells = {{}, {}}, .cell_names_resolve = false});
  RunningApp app(cluster, a_web_app(cluster, unique_guid("nameless"), 4));
  EXPECT_TRUE(eventually([&] { return app.serves(4); }, kPlaced));
  app.scale(1);
  EXPECT_TRUE(eventually([&] { return app.serves(1); }, kStopped));

  const models::Task task = run_task(cluster, unique_guid("task"), a_task(cluster, "", "echo done > /tmp/result"));
  EXPECT_FALSE(task.failed()) << task.failure_reason();

  const std::string guid = unique_guid("cancelled");
  const models::TaskDefinition endless = a_task(cluster, "", "sleep 600");
  cluster.with_bbs([&](clients::BbsClient& bbs) -> asio::awaitable<bool> {
    co_await bbs.desire_task(guid, "test", endless);
    co_return true;
  });
  ASSERT_TRUE(eventually([&] { return task_of(cluster, guid).state() == models::Task::Running; }, kPlaced));
  const std::string cell = task_of(cluster, guid).cell_id();
  ASSERT_EQ(std::ranges::count(cluster.containers_on(cell), guid), 1);
  cluster.with_bbs([&](clients::BbsClient& bbs) -> asio::awaitable<bool> {
    co_await bbs.cancel_task(guid);
    co_return true;
  });
  EXPECT_EQ(task_of(cluster, guid).state(), models::Task::Completed);
  EXPECT_TRUE(eventually([&] { return std::ranges::count(cluster.containers_on(cell), guid) == 0; }, kStopped))
      << "the cell does not end the task";
}

}  // namespace
}  // namespace rivera::harness
