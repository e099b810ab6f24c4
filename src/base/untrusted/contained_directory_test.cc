#include "base/untrusted/contained_directory.h"

#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivera::base {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

ContainedDirectory::Path path_of(std::string_view name) { return ContainedDirectory::parse(name); }

class ContainedDirectoryTest : public ::testing::Test {
 protected:
  ContainedDirectoryTest() {
    fs::create_directories(root);
    fs::create_directories(outside);
    write_file_atomically(outside / "victim", "untouched");
  }
  void expect_nothing_outside() {
    EXPECT_EQ(read_file(outside / "victim"), "untouched");
    EXPECT_EQ(std::distance(fs::directory_iterator(outside), fs::directory_iterator()), 1);
  }
  static void write(UniqueFd file, std::string_view text) {
    EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  TemporaryDirectory directory;
  fs::path root = directory.path() / "root";
  fs::path outside = directory.path() / "outside";
};

TEST_F(ContainedDirectoryTest, ParsesEveryNameToAPathBelowIt) {
  EXPECT_THAT(path_of("/etc//./passwd"), ElementsAre("etc", "passwd"));
  EXPECT_THAT(path_of("a/../../../b/"), ElementsAre("b"));
  EXPECT_THAT(path_of("../.."), IsEmpty());
  EXPECT_THAT(path_of(""), IsEmpty());
  EXPECT_THROW(path_of(std::string(5000, 'a')), std::runtime_error);
  EXPECT_THROW(path_of(std::string_view("a\0b", 3)), std::runtime_error);
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "d/";
  EXPECT_THROW(path_of(deep), std::runtime_error);
}

TEST_F(ContainedDirectoryTest, FollowsNoLinkToCreateAnEntry) {
  fs::create_symlink(outside, root / "link");
  ContainedDirectory contained(root);
  EXPECT_THROW(contained.create_file(path_of("link/new"), 0644), std::runtime_error);
  EXPECT_THROW(contained.make_directory(path_of("link/new"), 0755), std::runtime_error);
  EXPECT_THROW(contained.make_symlink(path_of("link/new"), "x"), std::runtime_error);
  write(contained.create_file(path_of("file"), 0644), "x");
  EXPECT_THROW(contained.make_hard_link(path_of("link/new"), path_of("file")), std::runtime_error);
  expect_nothing_outside();
}

TEST_F(ContainedDirectoryTest, LinksOnlyToRegularFilesBelowIt) {
  fs::create_symlink(outside, root / "link");
  fs::create_symlink(outside / "victim", root / "to-victim");
  ContainedDirectory contained(root);
  EXPECT_THROW(contained.make_hard_link(path_of("new"), path_of("link/victim")), std::runtime_error);
  EXPECT_THROW(contained.make_hard_link(path_of("new"), path_of("to-victim")), std::runtime_error);
  EXPECT_THROW(contained.make_hard_link(path_of("new"), path_of("missing")), std::system_error);
  EXPECT_FALSE(fs::exists(root / "new"));
  write(contained.create_file(path_of("a/file"), 0644), "content");
  contained.make_hard_link(path_of("b/same"), path_of("a/file"));
  EXPECT_EQ(read_file(root / "b/same"), "content");
}

TEST_F(ContainedDirectoryTest, ReplacesEntriesInsteadOfWritingThroughThem) {
  fs::create_symlink(outside / "victim", root / "link");
  fs::create_hard_link(outside / "victim", root / "hard");
  ContainedDirectory contained(root);
  write(contained.create_file(path_of("link"), 0644), "new");
  write(contained.create_file(path_of("hard"), 0644), "new");
  expect_nothing_outside();
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(root / "link")));
  EXPECT_TRUE(contained.make_directory(path_of("link"), 0755));
  EXPECT_FALSE(contained.make_directory(path_of("link"), 0755));
  write(contained.create_file(path_of("link/inner"), 0644), "x");
  EXPECT_THROW(contained.create_file(path_of("link"), 0644), std::system_error);
}

TEST_F(ContainedDirectoryTest, RestrictsADirectoryThatIsStillOne) {
  fs::create_symlink(outside, root / "link");
  ContainedDirectory contained(root);
  contained.make_directory(path_of("private"), 0755);
  contained.restrict_directory(path_of("private"), 0500);
  contained.restrict_directory(path_of("link"), 0);
  EXPECT_EQ(fs::status(root / "private").permissions(), fs::perms(0500));
  EXPECT_NE(fs::status(outside).permissions(), fs::perms(0));
}

}  // namespace
}  // namespace rivera::base
