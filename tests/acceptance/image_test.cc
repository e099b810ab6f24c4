// Applications and tasks in Docker images from a registry on this machine.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "garden/testing/docker_registry.h"
#include "harness/app.h"
#include "harness/cluster_under_test.h"

namespace rivera::harness {
namespace {

using garden::DockerRegistry;
using ::testing::HasSubstr;

// Busybox below, a text above it.
garden::TestImage an_image(const std::string& text) {
  garden::TestTar low, high;
  low.directory("./").directory("tmp", 01777).directory("bin").directory("etc").directory("proc").directory("sys");
  low.directory("dev").file("bin/busybox", base::read_file("/bin/busybox"), 0755);
  for (const char* name : {"sh", "cat", "env", "dd", "wc"}) low.symbolic_link(std::string("bin/") + name, "busybox");
  low.file("etc/passwd", "root:x:0:0:root:/:/bin/sh\nvcap:x:2000:2000:vcap:/:/bin/sh\n");
  high.file("text", text);
  return garden::test_image({garden::test_layer(low), garden::test_layer(high)}, {"FROM_IMAGE=yes"});
}

class Images : public ::testing::Test {
 protected:
  models::Task run(const std::string& root_fs, const std::string& script, const std::string& password = "") {
    models::TaskDefinition task = a_task(cluster_, guid_, script);
    task.set_root_fs(root_fs);
    if (!password.empty()) {
      task.set_image_username(DockerRegistry::kUser);
      task.set_image_password(password);
    }
    return run_task(cluster_, guid_, task);
  }

  ClusterUnderTest& cluster_ = ClusterUnderTest::shared();
  const std::string guid_ = unique_guid("image");
};

TEST_F(Images, ATaskRunsInADockerImage) {
  const DockerRegistry registry;
  registry.push("acceptance/app", "v1", an_image("from the registry"));
  const auto task = run(registry.uri("acceptance/app", "v1"), "(cat /text; echo \" $FROM_IMAGE\") > /tmp/result");
  EXPECT_FALSE(task.failed()) << task.failure_reason();
  EXPECT_EQ(task.result(), "from the registry yes\n");
}

TEST_F(Images, ATaskInAPrivateImageNeedsItsPassword) {
  const DockerRegistry registry(true);
  registry.push("acceptance/private", "v1", an_image("private"));
  const auto task = run(registry.uri("acceptance/private", "v1"), "cat /text > /tmp/result", DockerRegistry::kPassword);
  EXPECT_FALSE(task.failed()) << task.failure_reason();
  EXPECT_EQ(task.result(), "private");
}

TEST_F(Images, AnImageThatDoesNotExistFailsTheTask) {
  const DockerRegistry registry;
  const auto task = run(registry.uri("acceptance/absent", "v1"), "true");
  EXPECT_TRUE(task.failed());
  EXPECT_NE(task.failure_reason(), "");
}

TEST_F(Images, ATaskStoresNoMoreThanItsDiskLimit) {
  models::TaskDefinition task = a_task(cluster_, guid_,
                                       "dd if=/dev/zero of=/tmp/big bs=65536 count=1600; wc -c < /tmp/big > /tmp/size; "
                                       "dd if=/dev/null of=/tmp/big; cat /tmp/size > /tmp/result");
  task.set_disk_mb(32);
  const auto done = run_task(cluster_, guid_, task);
  EXPECT_FALSE(done.failed()) << done.failure_reason();
  EXPECT_LE(std::stoull("0" + done.result()), 34u << 20);
}

}  // namespace
}  // namespace rivera::harness
