// Containers with host ids of their own (docs/spec/garden.md §2.4).
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "base/process/subprocess.h"
#include "garden/testing/test_garden.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

class OwnIds : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
  }
  void start(TestGarden::Ids ids = TestGarden::Ids::kOwn) {
    garden_ = std::make_unique<TestGarden>(std::vector<std::string>{}, ids);
  }
  std::string map_of(const std::string& handle) { return garden_->run(handle, "cat /proc/self/uid_map").output; }
  std::uint64_t first_id_of(const std::string& handle) {
    std::istringstream map(map_of(handle));
    std::uint64_t inside = 0, outside = 0;
    map >> inside >> outside;
    return outside;
  }
  std::string log() const { return base::read_file(garden_->directory() + "/garden.log"); }

  std::unique_ptr<TestGarden> garden_;
};

TEST_F(OwnIds, AreDifferentForEachContainerAndTheSameInside) {
  start();
  const auto one = garden_->create(), two = garden_->create();
  EXPECT_NE(map_of(one), map_of(two));
  for (const auto& handle : {one, two}) {
    EXPECT_EQ(garden_->run(handle, "stat -c '%u:%g' / /bin /bin/busybox /home/vcap").output,
              "0:0\n0:0\n0:0\n2000:2000\n");
    EXPECT_EQ(garden_->run(handle, "touch mine; id -u; stat -c %u:%g mine", "vcap").output, "2000\n2000:2000\n");
    // Files of the image and new ones change hands, and go.
    const auto finished = garden_->run(handle,
                                       "touch /tmp/new; busybox chown 3000:4000 /tmp/new /etc/passwd && "
                                       "stat -c %u:%g /tmp/new /etc/passwd && rm /etc/group; ls /etc/group; "
                                       "busybox chown 65535 /tmp/new && busybox chown 65536 /tmp/new");
    EXPECT_EQ(finished.output, "3000:4000\n3000:4000\n") << finished.error;
    EXPECT_NE(finished.status, 0) << "an id beyond the range was given away";
  }
}

// The host's files have the owners that they have in every container: those of upstream's volumes.
TEST_F(OwnIds, AreThoseOfTheHostInWhatIsBound) {
  start();
  const std::string shared = garden_->directory() + "/volume", secret = shared + "/secret";
  fs::create_directories(shared);
  std::ofstream(secret) << "secret\n";
  for (const auto& path : {shared, secret}) ASSERT_EQ(::chown(path.c_str(), 2000, 2000), 0);
  fs::permissions(shared, fs::perms(0700));
  fs::permissions(secret, fs::perms(0600));
  api::ContainerSpec spec;
  spec.bind_mounts = {{shared, "/volume", true}, {secret, "/secret", false}};
  const auto one = garden_->create(spec), two = garden_->create(spec);
  EXPECT_EQ(garden_->run(one, "cat /secret /volume/secret; stat -c %u:%g /volume; touch /volume/new", "vcap").output,
            "secret\nsecret\n2000:2000\n");
  EXPECT_EQ(garden_->run(one, "echo x > /secret", "vcap").status, 1) << "it is read-only";
  EXPECT_EQ(garden_->run(two, "stat -c %u /volume/new; echo of two > /volume/new", "vcap").output, "2000\n");
  struct stat info {};
  ASSERT_EQ(::stat((shared + "/new").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 2000u);
  EXPECT_EQ(base::read_file(shared + "/new"), "of two\n");
  // Processes with an image of their own have the same ids and mounts.
  auto pea = shell("id -u; cat /volume/secret; stat -c %u /bin/busybox", "2000:2000");
  pea.image.uri = garden_->rootfs();
  pea.bind_mounts = {{shared, "/volume", true}};
  EXPECT_EQ(garden_->run(one, pea).output, "2000\nsecret\n0\n");
  // What the runtime has bound is mounted nowhere else.
  const std::string places = garden_->options().run_dir + "/binds/";
  EXPECT_TRUE(
      garden_->eventually([&] { return base::read_file("/proc/self/mounts").find(places) == std::string::npos; }));
}

TEST_F(OwnIds, AreKeptWhenTheServerIsKilled) {
  start();
  const auto one = garden_->create();
  const std::string map = map_of(one);
  garden_->kill();
  // Another garden that starts meanwhile gives them to no container of its own.
  {
    TestGarden other;
    const auto handle = other.create();
    EXPECT_NE(other.run(handle, "cat /proc/self/uid_map").output, map);
  }
  garden_->start();
  EXPECT_EQ(map_of(one), map);
  const auto two = garden_->create();
  EXPECT_NE(map_of(two), map);
  EXPECT_EQ(garden_->run(one, "touch /file; stat -c %u /file").output, "0\n");
  // They are free again once the container is gone.
  const auto first = first_id_of(one);
  garden_->await(garden_->client().destroy(one));
  bool is_free_again = false;
  for (int i = 0; i < 5 && !is_free_again; ++i) is_free_again = first_id_of(garden_->create()) <= first;
  EXPECT_TRUE(is_free_again);
}

TEST_F(OwnIds, AndSharedOnesWorkBesideOneAnother) {
  start(TestGarden::Ids::kShared);
  const auto old = garden_->create();
  const std::string map = map_of(old);
  EXPECT_NE(map.find("4294967294          1\n"), std::string::npos) << map;
  garden_->terminate();
  garden_->use_ids(TestGarden::Ids::kOwn);
  garden_->start();
  const auto young = garden_->create();
  EXPECT_EQ(map_of(old), map);
  EXPECT_NE(map_of(young), map);
  auto pea = shell("stat -c %u /bin/busybox");
  pea.image.uri = garden_->rootfs();
  for (const auto& handle : {old, young}) {
    EXPECT_EQ(garden_->run(handle, "stat -c %u /bin/busybox; touch /file; stat -c %u /file").output, "0\n0\n");
    EXPECT_EQ(garden_->run(handle, pea).output, "0\n");
  }
  // And back.
  garden_->terminate();
  garden_->use_ids(TestGarden::Ids::kShared);
  garden_->start();
  EXPECT_EQ(garden_->run(young, "touch /more; stat -c %u /more").output, "0\n");
  EXPECT_EQ(map_of(garden_->create()), map);
}

// What cannot be shown with other owners is shown with those of the host.
TEST_F(OwnIds, AreSharedOnesWhereTheHostsFilesNeedThem) {
  start();
  // The runtime makes what is missing as the container's root, which is another user.
  const std::string directory = garden_->directory() + "/raw";
  base::must_run({"cp", "-a", garden_->rootfs(), directory});
  base::must_run({"chown", "-R", "4294967294:4294967294", directory});
  fs::permissions(garden_->directory(), fs::perms(0711));
  api::ContainerSpec spec;
  spec.image.uri = "raw://" + directory;
  const auto raw = garden_->create(spec);
  EXPECT_NE(map_of(raw).find("4294967294          1\n"), std::string::npos);
  // proc has no mapped mounts.
  api::ContainerSpec bound;
  bound.bind_mounts = {{"/proc/fs", "/bound", true}};
  EXPECT_NE(map_of(garden_->create(bound)).find("4294967294          1\n"), std::string::npos);
  EXPECT_NE(log().find("id-ranges.shared"), std::string::npos);
  bound.bind_mounts = {{"/proc/fs", "/bound", false}};
  const auto readable = garden_->create(bound);
  EXPECT_EQ(map_of(readable).find("4294967294"), std::string::npos);
  EXPECT_EQ(garden_->run(readable, "ls -d /bound/.").status, 0);
}

TEST_F(OwnIds, CountOnADisk) {
  start();
  api::ContainerSpec spec;
  spec.limits.disk.byte_hard = 8u << 20;
  spec.limits.disk.exclusive_scope = true;
  const auto handle = garden_->create(spec);
  EXPECT_EQ(
      garden_->run(handle, "head -c 4000000 /dev/zero > /home/vcap/half && stat -c %u /home/vcap/half", "vcap").output,
      "2000\n");
  EXPECT_NE(garden_->run(handle, "head -c 8000000 /dev/zero > /home/vcap/all", "vcap").status, 0);
  EXPECT_EQ(garden_->run(handle, "echo '1.2.3.4 name' >> /etc/hosts && tail -n 1 /etc/hosts").output, "1.2.3.4 name\n");
}

}  // namespace
}  // namespace rivera::garden
