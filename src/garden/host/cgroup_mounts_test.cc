#include "garden/host/cgroup_mounts.h"

#include <gtest/gtest.h>

namespace rivera::garden {
namespace {

TEST(CgroupMounts, AreMissingForEnabledControllersOnTheUnifiedHierarchy) {
  const std::string file =
      "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t1\t1\nnet_cls\t0\t1\t1\nmemory\t4\t9\t1\n"
      "hugetlb\t0\t1\t0\nperf_event\t0\t1\t1\n";
  EXPECT_EQ(controllers_without_hierarchy(file), (std::vector<std::string>{"net_cls", "perf_event"}));
  EXPECT_TRUE(controllers_without_hierarchy("").empty());
}

TEST(CgroupMounts, AreThereOnceAndForAll) {
  mount_cgroup_hierarchies();
  EXPECT_TRUE(mount_cgroup_hierarchies().empty());
}

}  // namespace
}  // namespace rivera::garden
