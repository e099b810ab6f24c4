// Containers with images of a registry, and with disk limits.
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>

#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include "base/process/subprocess.h"
#include "garden/testing/docker_registry.h"
#include "garden/testing/test_garden.h"

namespace rivera::garden {
namespace {

namespace api = clients::garden;
namespace fs = std::filesystem;

constexpr std::uint64_t kMegabyte = 1 << 20;

class ImageContainers : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
    garden_ = std::make_unique<TestGarden>(std::vector<std::string>{"--insecure-docker-registry", "127.0.0.1",
                                                                    "--graph-cleanup-threshold-in-megabytes", "0"});
  }
  // Busybox in one layer, `text` in /text of a second.
  static TestImage an_image(const std::string& text) {
    TestTar low, high;
    low.directory("./").directory("tmp", 01777).directory("bin").directory("etc").directory("proc").directory("sys");
    low.directory("dev").file("bin/busybox", base::read_file("/bin/busybox"), 0755);
    for (const char* name : {"sh", "cat", "env", "id", "ls", "dd", "mkdir", "rm", "df"})
      low.symbolic_link(std::string("bin/") + name, "busybox");
    low.file("etc/passwd", "root:x:0:0:root:/:/bin/sh\nvcap:x:2000:2000:vcap:/:/bin/sh\n");
    high.file("text", text).with_owner(2000, 2000).directory("home", 0700);
    return test_image({test_layer(low), test_layer(high)}, {"FROM_IMAGE=yes", "OVERRIDDEN=image"});
  }
  api::ContainerSpec limited(std::uint64_t megabytes, std::uint64_t inodes = 0) const {
    api::ContainerSpec spec;
    spec.limits.disk.byte_hard = megabytes * kMegabyte;
    spec.limits.disk.inode_hard = inodes;
    spec.limits.disk.exclusive_scope = true;
    return spec;
  }
  // Directories below each other, made through the container's own mount.
  static void make_deep(const std::string& directory, int levels) {
    base::UniqueFd here(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int level = 0; level < levels; ++level) {
      ASSERT_EQ(::mkdirat(here.get(), "d", 0777), 0);
      base::UniqueFd child(::openat(here.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      ASSERT_TRUE(child);
      here = std::move(child);
    }
  }
  std::string log() const { return base::read_file(garden_->directory() + "/garden.log"); }

  std::unique_ptr<TestGarden> garden_;
};

TEST_F(ImageContainers, RunFromARegistry) {
  const DockerRegistry registry;
  registry.push("test/app", "v1", an_image("from the registry"));
  api::ContainerSpec spec;
  spec.image.uri = registry.uri("test/app", "v1");
  spec.env = {"OVERRIDDEN=container"};
  const std::string handle = garden_->create(spec);
  EXPECT_EQ(garden_->run(handle, "cat /text").output, "from the registry");
  const std::string env = garden_->run(handle, "env").output;
  EXPECT_NE(env.find("FROM_IMAGE=yes\n"), std::string::npos);
  EXPECT_NE(env.find("OVERRIDDEN=container\n"), std::string::npos);
  const std::string home = garden_->run(handle, "ls -dln /home").output;
  EXPECT_TRUE(home.starts_with("drwx------") && home.find(" 2000 ") != std::string::npos) << home;
  // Its layers are in use, whatever the threshold; the environment survives the server.
  garden_->terminate();
  garden_->start();
  EXPECT_EQ(garden_->run(handle, "cat /text").output, "from the registry");
  EXPECT_NE(garden_->run(handle, "env").output.find("FROM_IMAGE=yes\n"), std::string::npos);
  garden_->await(garden_->client().destroy(handle));
  EXPECT_EQ(garden_->left_overs_of_containers(), std::vector<std::string>{});
}

TEST_F(ImageContainers, OfAPrivateRegistryNeedItsPassword) {
  const DockerRegistry registry(true);
  registry.push("test/private", "latest", an_image("private"));
  api::ContainerSpec spec;
  spec.image.uri = registry.uri("test/private", "latest");
  EXPECT_THROW(garden_->create(spec), api::GardenError);
  spec.image.username = "me";
  spec.image.password = "wr0ng-s3cret";
  EXPECT_THROW(garden_->create(spec), api::GardenError);
  spec.image.password = "s3cret";
  EXPECT_EQ(garden_->run(garden_->create(spec), "cat /text").output, "private");
  // Who has no password has no image, though its layers are here.
  spec.image.username.clear();
  spec.image.password.clear();
  EXPECT_THROW(garden_->create(spec), api::GardenError);
  EXPECT_EQ(log().find("s3cret"), std::string::npos);
}

TEST_F(ImageContainers, StoreNoMoreThanTheirDiskLimit) {
  const std::string handle = garden_->create(limited(64));
  const auto written = garden_->run(handle, "dd if=/dev/zero of=/tmp/big bs=65536 count=4800; wc -c < /tmp/big");
  EXPECT_NE(written.error.find("No space left"), std::string::npos) << written.error;
  EXPECT_LE(std::stoull("0" + written.output), 65 * kMegabyte);
  EXPECT_GE(std::stoull("0" + written.output), 63 * kMegabyte);
  const auto disk = garden_->await(garden_->client().metrics(handle)).disk;
  EXPECT_GE(disk.exclusive_bytes_used, 63 * kMegabyte);
  EXPECT_LE(disk.exclusive_bytes_used, 64 * kMegabyte);
  EXPECT_GT(disk.total_bytes_used, disk.exclusive_bytes_used);
  // It survives the server, and its place is free again afterwards.
  garden_->kill();
  garden_->start();
  EXPECT_NE(garden_->run(handle, "dd if=/dev/zero of=/tmp/more bs=65536 count=100").status, 0);
  EXPECT_EQ(garden_->run(handle, "rm /tmp/big /tmp/more; dd if=/dev/zero of=/tmp/b bs=65536 count=900").status, 0);
  garden_->await(garden_->client().destroy(handle));
  EXPECT_EQ(garden_->left_overs_of_containers(), std::vector<std::string>{});
}

TEST_F(ImageContainers, MakeNoMoreFilesThanTheirLimit) {
  const std::string handle = garden_->create(limited(64, 1000));
  const auto files = garden_->run(
      handle, "mkdir /tmp/f; i=0; while [ $i -lt 2000 ]; do touch /tmp/f/$i || break; i=$((i+1)); done; echo $i");
  EXPECT_GE(std::stoi("0" + files.output), 990) << files.error;
  EXPECT_LE(std::stoi("0" + files.output), 1040);
}

TEST_F(ImageContainers, CountWhatTheyWriteToTheHostsFile) {
  const std::string handle = garden_->create(limited(8));
  const auto written = garden_->run(handle,
                                    "for f in /etc/hosts /etc/resolv.conf; do dd if=/dev/zero of=$f bs=65536 "
                                    "count=1600; done; cat /etc/hosts /etc/resolv.conf | wc -c");
  EXPECT_LE(std::stoull("0" + written.output), 9 * kMegabyte) << written.error;
}

TEST_F(ImageContainers, WithThirtyThousandNestedDirectoriesAreMeasuredAndDestroyed) {
  for (const std::uint64_t megabytes : {0, 256}) {
    const std::string handle = garden_->create(megabytes == 0 ? api::ContainerSpec{} : limited(megabytes));
    make_deep(garden_->options().run_dir + "/rootfs/" + handle + "/tmp", 30'000);
    EXPECT_EQ(garden_->run(handle, "ls -d /tmp/d/d/d").status, 0);
    EXPECT_NO_THROW(garden_->await(garden_->client().metrics(handle)));
    garden_->await(garden_->client().destroy(handle));
  }
  const std::string trash = garden_->depot() + "-state/trash";
  // Removing a directory waits for the kernel each time: for milliseconds, or ten times that on a busy machine.
  EXPECT_TRUE(garden_->eventually([&] { return fs::is_empty(trash); }, std::chrono::minutes(6)));
}

TEST_F(ImageContainers, WithLimitsStartAtOnceAndInParallel) {
  std::vector<std::string> handles;
  int done = 0;
  std::vector<std::string> failures;
  for (int i = 0; i < 8; ++i) {
    asio::co_spawn(garden_->context(), garden_->client().create(limited(32 + static_cast<std::uint64_t>(i % 2))),
                   [&](std::exception_ptr e, std::string handle) {
                     ++done;
                     if (!e) handles.push_back(std::move(handle));
                   });
  }
  EXPECT_TRUE(garden_->eventually([&] { return done == 8; }));
  EXPECT_EQ(handles.size(), 8u);
  for (const auto& handle : handles) garden_->await(garden_->client().destroy(handle));
  EXPECT_EQ(garden_->left_overs_of_containers(), std::vector<std::string>{});
}

TEST_F(ImageContainers, UnusedLayersGo) {
  const DockerRegistry registry;
  registry.push("test/app", "one", an_image("one"));
  registry.push("test/app", "two", an_image("two"));
  api::ContainerSpec spec;
  spec.image.uri = registry.uri("test/app", "one");
  garden_->await(garden_->client().destroy(garden_->create(spec)));
  const auto layers = [&] {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(garden_->depot() + "-state/layers"))
      count += entry.is_directory() ? 1 : 0;
    return count;
  };
  spec.image.uri = registry.uri("test/app", "two");
  const std::string handle = garden_->create(spec);
  // The default root file system's, the common one and that of "two".
  EXPECT_TRUE(garden_->eventually([&] { return layers() == 3; }));
  EXPECT_EQ(garden_->run(handle, "cat /text").output, "two");
}

}  // namespace
}  // namespace rivera::garden
