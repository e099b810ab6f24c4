// File systems of a fixed size: exact, quick to make, removed at once.
#include "garden/images/disk_file.h"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/units.h"
#include "garden/images/mount_points.h"

namespace rivera::garden {
namespace {

namespace fs = std::filesystem;

class Disk : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_FAIL() << "needs root";
    fs::create_directories(root_ + "/templates");
    fs::create_directories(mount_point_);
  }
  void TearDown() override { DiskFiles::unmount(mount_point_); }

  void make(const DiskLimit& limit) {
    disks_.create(file_, limit);
    DiskFiles::mount(file_, mount_point_);
  }
  // Writes until the disk is full.
  std::uint64_t fill() const {
    const base::UniqueFd file(::open((mount_point_ + "/big").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const std::string block(64 * base::kKibibyte, 'x');
    std::uint64_t written = 0;
    for (;;) {
      const ssize_t n = ::write(file.get(), block.data(), block.size());
      if (n <= 0) return written;
      written += static_cast<std::uint64_t>(n);
    }
  }

  base::TemporaryDirectory temporary_{"rivera-disk-"};
  std::string root_ = temporary_.path();
  std::string file_ = root_ + "/disk", mount_point_ = root_ + "/mount";
  DiskFiles disks_{root_ + "/templates"};
};

TEST_F(Disk, HoldsWhatWasAskedForAndNoMore) {
  for (const std::uint64_t megabytes : {1, 64, 300}) {
    const DiskLimit limit{megabytes << 20, 0};
    make(limit);
    EXPECT_EQ(DiskFiles::used_bytes(mount_point_, limit), 0u);
    const std::uint64_t written = fill();
    EXPECT_GE(written, limit.bytes - limit.bytes / 500) << megabytes;
    EXPECT_LE(written, limit.bytes + limit.bytes / 200 + std::uint64_t{16} * 4096) << megabytes;
    EXPECT_GE(DiskFiles::used_bytes(mount_point_, limit), limit.bytes - limit.bytes / 500 - std::uint64_t{16} * 4096);
    EXPECT_LE(DiskFiles::used_bytes(mount_point_, limit), limit.bytes);
    DiskFiles::unmount(mount_point_);
    EXPECT_FALSE(is_mount_point(mount_point_));
  }
}

TEST_F(Disk, CountsInodes) {
  make({64 << 20, 1000});
  int files = 0;
  while (files < 5000 && std::ofstream(mount_point_ + "/" + std::to_string(files)).good()) ++files;
  EXPECT_GE(files, 1000);
  EXPECT_LE(files, 1040);
}

TEST_F(Disk, WithoutALimitThereIsAnInodeForEachBlock) {
  make({4 << 20, 0});
  int files = 0;
  while (files < 5000 && std::ofstream(mount_point_ + "/" + std::to_string(files)).good()) ++files;
  EXPECT_GE(files, 1000);
}

TEST_F(Disk, TakesRoomOfTheHostForItsContentOnly) {
  make({std::uint64_t{8} << 30, 0});
  struct stat info {};
  ASSERT_EQ(::stat(file_.c_str(), &info), 0);
  EXPECT_GT(info.st_size, std::int64_t{8} << 30);
  EXPECT_LT(info.st_blocks * 512, 1 << 20);
}

TEST_F(Disk, TheSecondOfASizeIsMadeFromTheSameTemplate) {
  disks_.create(file_, {100 << 20, 0});
  const auto model = *fs::directory_iterator(root_ + "/templates");
  struct stat before {
  }, after{};
  ASSERT_EQ(::stat(model.path().c_str(), &before), 0);
  make({100 << 20, 0});
  fill();
  ASSERT_EQ(::stat(model.path().c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(before.st_blocks, after.st_blocks);
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ + "/templates"), fs::directory_iterator()), 1);
}

TEST_F(Disk, UnmountingDropsWhatIsNotWrittenYetAndFreesTheLoopDevice) {
  make({200 << 20, 0});
  fill();
  DiskFiles::unmount(mount_point_);
  DiskFiles::unmount(mount_point_);
  std::string users;
  for (const auto& entry : fs::directory_iterator("/sys/block")) {
    std::ifstream backing(entry.path() / "loop/backing_file");
    std::string name;
    std::getline(backing, name);
    if (name.find(root_) != std::string::npos) users += name;
  }
  EXPECT_EQ(users, "");
}

TEST_F(Disk, ALimitBeyondEveryDiskIsRefused) {
  EXPECT_THROW(disks_.create(file_, {std::uint64_t{1} << 60, 0}), std::runtime_error);
  EXPECT_FALSE(fs::exists(file_));
}

}  // namespace
}  // namespace rivera::garden
