// Trees of unusual depth and width, as a hostile tenant makes them.
#include "base/untrusted/tree.h"

#include <fcntl.h>
#include <fstream>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/files.h"

namespace rivera::base {
namespace {

namespace fs = std::filesystem;

class Tree : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(top_); }

  // `levels` directories below each other, with a file at the bottom.
  void make_deep(int levels) {
    UniqueFd here(::open(top_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int level = 0; level < levels; ++level) {
      ASSERT_EQ(::mkdirat(here.get(), "d", 0700), 0);
      UniqueFd child(::openat(here.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      ASSERT_TRUE(child);
      here = std::move(child);
    }
    const UniqueFd file(::openat(here.get(), "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::write(file.get(), "x", 1), 1);
  }

  TemporaryDirectory temporary_{"rivera-tree-"};
  fs::path top_ = temporary_.path() / "top";
};

TEST_F(Tree, ThirtyThousandNestedDirectoriesAreMeasuredAndRemoved) {
  make_deep(30'000);
  const TreeUsage usage = measure_tree(top_);
  EXPECT_EQ(usage.entries, 30'001u);
  EXPECT_TRUE(usage.is_complete);
  EXPECT_GE(usage.bytes, 30'000u);
  remove_tree(top_);
  EXPECT_FALSE(fs::exists(fs::symlink_status(top_)));
}

TEST_F(Tree, TheWalkStopsAfterTheEntriesThatItMayCount) {
  make_deep(100);
  const TreeUsage usage = measure_tree(top_, 50);
  EXPECT_EQ(usage.entries, 50u);
  EXPECT_FALSE(usage.is_complete);
}

TEST_F(Tree, LinksAreRemovedAndNotFollowed) {
  const fs::path outside = temporary_.path() / "outside";
  fs::create_directories(outside);
  std::ofstream(outside / "kept") << "kept";
  fs::create_directory_symlink(outside, top_ / "link");
  remove_tree(top_);
  EXPECT_FALSE(fs::exists(top_));
  EXPECT_TRUE(fs::exists(outside / "kept"));
  fs::create_directory_symlink(outside, top_);
  remove_tree(top_);
  EXPECT_TRUE(fs::exists(outside / "kept"));
  EXPECT_FALSE(fs::exists(fs::symlink_status(top_)));
}

TEST_F(Tree, AWideTreeIsRemovedInPartsWithNamesLikeOurOwn) {
  for (int i = 0; i < 9'000; ++i) std::ofstream(top_ / std::to_string(i)) << i;
  fs::create_directories(top_ / ".moved-0" / ".moved-1");
  make_deep(200);
  EXPECT_EQ(measure_tree(top_).entries, 9'203u);
  remove_tree(top_);
  EXPECT_FALSE(fs::exists(top_));
}

TEST_F(Tree, MarkedFilesAndDirectoriesAreRemoved) {
  if (::geteuid() != 0) GTEST_FAIL() << "needs root";
  fs::create_directories(top_ / "marked");
  std::ofstream(top_ / "marked" / "file") << "x";
  for (const auto& path : {top_ / "marked" / "file", top_ / "marked"}) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    unsigned flags = 0;
    ASSERT_EQ(::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags), 0);
    flags |= FS_IMMUTABLE_FL;
    ASSERT_EQ(::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags), 0) << "the disk of /tmp has no such flags";
  }
  remove_tree(top_);
  EXPECT_FALSE(fs::exists(top_));
}

TEST_F(Tree, WhatDoesNotExistIsRemovedAlready) {
  EXPECT_NO_THROW(remove_tree(top_ / "absent"));
  EXPECT_THROW(measure_tree(top_ / "absent"), std::system_error);
}

}  // namespace
}  // namespace rivera::base
