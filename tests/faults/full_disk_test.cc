// A disk without room, while the cluster runs and while it is stopped.
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "cluster/settings/process_table.h"
#include "harness/app.h"
#include "harness/cluster_under_test.h"

namespace rivera::harness {
namespace {

namespace fs = std::filesystem;

// A small file system of its own.
class SmallDisk {
 public:
  SmallDisk() {
    if (::mount("tmpfs", path().c_str(), "tmpfs", 0, "size=192m,mode=0755") != 0) {
      throw std::system_error(errno, std::generic_category(), "mount a tmpfs");
    }
  }
  ~SmallDisk() { ::umount2(path().c_str(), MNT_DETACH); }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  fs::path path() const { return directory_.path(); }

  void fill() const {
    const base::UniqueFd file(::open(ballast().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const std::string zeros(65536, '\0');
    std::size_t piece = zeros.size();
    while (piece > 0) {
      if (::write(file.get(), zeros.data(), piece) < 0) piece /= 2;
    }
  }
  void make_room() const { fs::remove(ballast()); }

 private:
  fs::path ballast() const { return path() / "ballast"; }

  base::TemporaryDirectory directory_{"rivera-full-disk-"};
};

bool all_healthy(const ClusterUnderTest& cluster) {
  for (const char* name :
       {"nats", "locket", "bbs", "auctioneer", "garden", "rep", "file-server", "gorouter", "route-emitter"}) {
    if (!cluster.is_healthy(name)) return false;
  }
  return true;
}

TEST(FullDisk, IsSurvivedByTheClusterAndByDown) {
  const SmallDisk disk;
  ClusterUnderTest cluster = ClusterUnderTest::start(disk.path() / "var");
  const RunningApp app(cluster, a_web_app(cluster, unique_guid("disk"), 1));
  ASSERT_TRUE(eventually([&] { return app.serves(1); }));

  // Programs end while there is no room, and are started again.
  disk.fill();
  for (const char* name : {"bbs", "rep", "garden", "nats"}) {
    const pid_t pid = cluster.pid_of(name);
    ASSERT_GT(pid, 1) << name;
    ::kill(pid, SIGKILL);
    ASSERT_TRUE(eventually([&] { return cluster.pid_of(name) != pid; })) << name;
  }
  const pid_t locket = cluster.pid_of("locket");
  const auto up = cluster.run_tool({"up", "--no-sample", "--port-base", std::to_string(free_port_base())});
  EXPECT_EQ(up.exit_status, 1);
  EXPECT_THAT(up.error, ::testing::HasSubstr("make room there first"));
  EXPECT_EQ(cluster.pid_of("locket"), locket) << "nothing is stopped that cannot be started again";
  disk.make_room();
  EXPECT_TRUE(eventually([&] { return all_healthy(cluster); }, std::chrono::seconds(90)));
  EXPECT_TRUE(eventually([&] { return app.serves(1); }, std::chrono::seconds(60)));
  const RunningApp later(cluster, a_web_app(cluster, unique_guid("later"), 1));
  EXPECT_TRUE(eventually([&] { return later.serves(1); }, std::chrono::seconds(60)));

  // Orphans whose ids nothing has written down.
  disk.fill();
  for (const auto& process : cluster::processes_of(cluster.settings())) {
    if (cluster::is_supervisor(process)) ::kill(process.pid, SIGKILL);
  }
  for (const auto& entry : fs::directory_iterator(cluster.settings().run_dir())) {
    if (entry.path().extension() == ".pid") fs::remove(entry.path());
  }
  const auto down = cluster.run_tool({"down"});
  EXPECT_EQ(down.exit_status, 0) << down.output << down.error;
  EXPECT_TRUE(cluster::processes_of(cluster.settings()).empty());

  disk.make_room();
  ClusterUnderTest back = ClusterUnderTest::start(disk.path() / "var");
  EXPECT_TRUE(eventually([&] { return app.serves(1); }, std::chrono::seconds(60))) << "its state is there";
  back.stop();
}

}  // namespace
}  // namespace rivera::harness
