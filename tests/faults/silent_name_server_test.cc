// A name server that never answers: what the control plane knows without it goes on.
#include <gtest/gtest.h>

#include "harness/app.h"
#include "harness/machine_cluster.h"

namespace rivera::harness {
namespace {

using std::chrono::seconds;

TEST(SilentNameServer, WorkIsStillPlacedRoutedAndStopped) {
  // Control machines know each other from the hosts file, and cells by no more than their presences: the name in one is
  // asked for in vain, its address is there to fall back on.
  MachineCluster cluster({.cells = {{}, {}}, .cell_names_resolve = false});
  RunningApp app(cluster, a_web_app(cluster, unique_guid("nameless"), 4));
  EXPECT_TRUE(eventually([&] { return app.serves(4); }, seconds(30)));
  app.scale(1);
  EXPECT_TRUE(eventually([&] { return app.serves(1); }, seconds(15)));
  const models::Task task = run_task(cluster, unique_guid("task"), a_task(cluster, "", "echo done > /tmp/result"));
  EXPECT_FALSE(task.failed()) << task.failure_reason();
}

}  // namespace
}  // namespace rivera::harness
