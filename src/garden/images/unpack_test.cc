// Layers, from directories and from archives that try to get out.
#include "garden/images/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/files.h"

namespace rivera::garden {
namespace {

namespace fs = std::filesystem;

// A tar file, entry by entry, with names no sane program would write.
class TarFile {
 public:
  explicit TarFile(const std::string& path) : archive_(::archive_write_new()) {
    ::archive_write_set_format_pax(archive_);
    ::archive_write_open_filename(archive_, path.c_str());
  }
  ~TarFile() {
    ::archive_write_close(archive_);
    ::archive_write_free(archive_);
  }
  TarFile& directory(const std::string& name) { return add(name, AE_IFDIR, 0755, "", "", ""); }
  TarFile& file(const std::string& name, const std::string& content, mode_t mode = 0644) {
    return add(name, AE_IFREG, mode, content, "", "");
  }
  TarFile& symbolic_link(const std::string& name, const std::string& destination) {
    return add(name, AE_IFLNK, 0777, "", destination, "");
  }
  TarFile& hard_link(const std::string& name, const std::string& existing, const std::string& content = "") {
    return add(name, AE_IFREG, 0644, content, "", existing);
  }
  TarFile& node(const std::string& name, __LA_MODE_T type) { return add(name, type, 0666, "", "", ""); }
  TarFile& with_attribute(const std::string& key, const std::string& value) {
    attributes_[key] = value;
    return *this;
  }

 private:
  TarFile& add(const std::string& name, __LA_MODE_T type, mode_t mode, const std::string& content,
               const std::string& symbolic, const std::string& hard) {
    archive_entry* entry = ::archive_entry_new();
    ::archive_entry_set_pathname(entry, name.c_str());
    ::archive_entry_set_filetype(entry, type);
    ::archive_entry_set_perm(entry, mode);
    ::archive_entry_set_mtime(entry, 1'000'000, 0);
    if (type == AE_IFREG) ::archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    if (!symbolic.empty()) ::archive_entry_set_symlink(entry, symbolic.c_str());
    if (!hard.empty()) ::archive_entry_set_hardlink(entry, hard.c_str());
    for (const auto& [key, value] : attributes_) {
      ::archive_entry_xattr_add_entry(entry, key.c_str(), value.data(), value.size());
    }
    attributes_.clear();
    EXPECT_EQ(::archive_write_header(archive_, entry), ARCHIVE_OK) << ::archive_error_string(archive_);
    if (!content.empty()) ::archive_write_data(archive_, content.data(), content.size());
    ::archive_entry_free(entry);
    return *this;
  }

  archive* archive_;
  std::map<std::string, std::string> attributes_;
};

class Unpack : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(target_);
    fs::create_directories(outside_);
    std::ofstream(outside_ + "/secret") << "secret";
  }
  // The failure's text, "" if there was none.
  std::string unpack_tar() {
    try {
      unpack(tar_, target_, IdMapping{});
      return "";
    } catch (const std::exception& e) {
      return e.what();
    }
  }
  // Nothing outside the target has changed.
  void expect_untouched() {
    EXPECT_EQ(base::read_file(outside_ + "/secret"), "secret");
    struct stat info {};
    ASSERT_EQ(::lstat((outside_ + "/secret").c_str(), &info), 0);
    EXPECT_EQ(info.st_nlink, 1u);
    EXPECT_EQ(info.st_mode & 07777u, 0644u);
    EXPECT_EQ(std::distance(fs::directory_iterator(outside_), fs::directory_iterator()), 1);
    EXPECT_FALSE(fs::exists(root_ + "/escaped"));
  }

  base::TemporaryDirectory temporary_{"rivera-unpack-"};
  std::string root_ = temporary_.path();
  std::string target_ = root_ + "/target", outside_ = root_ + "/outside", tar_ = root_ + "/layer.tar";
};

TEST_F(Unpack, AFileThroughASymbolicLinkToTheHostStaysInside) {
  TarFile(tar_).symbolic_link("way", outside_).file("way/secret", "attacked").file("way/new", "attacked");
  unpack_tar();
  expect_untouched();
}

TEST_F(Unpack, AHardLinkThroughASymbolicLinkReachesNoFileOfTheHost) {
  TarFile(tar_).symbolic_link("way", outside_).hard_link("mine", "way/secret").file("mine", "attacked");
  unpack_tar();
  expect_untouched();
}

TEST_F(Unpack, AHardLinkWithContentWritesThroughNothing) {
  TarFile(tar_).symbolic_link("way", outside_).hard_link("mine", "way/secret", "attacked");
  unpack_tar();
  expect_untouched();
  fs::remove_all(target_);
  fs::create_directories(target_);
  TarFile(tar_).symbolic_link("mine", outside_ + "/secret").hard_link("linked", "mine", "attacked");
  unpack_tar();
  expect_untouched();
}

TEST_F(Unpack, AFileReplacesASymbolicLinkOfTheSameName) {
  TarFile(tar_).symbolic_link("file", outside_ + "/secret").file("file", "own", 04755);
  EXPECT_EQ(unpack_tar(), "");
  expect_untouched();
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(target_ + "/file")));
  EXPECT_EQ(base::read_file(target_ + "/file"), "own");
}

TEST_F(Unpack, ADirectoryReplacesASymbolicLinkAndGivesTheHostNoMode) {
  TarFile(tar_).symbolic_link("way", outside_).directory("way").file("way/secret", "own");
  EXPECT_EQ(unpack_tar(), "");
  expect_untouched();
  EXPECT_EQ(base::read_file(target_ + "/way/secret"), "own");
}

TEST_F(Unpack, TimesOfADirectoryThatBecameALinkAreNotSetOnTheHost) {
  TarFile(tar_).directory("way").symbolic_link("way", outside_);
  EXPECT_EQ(unpack_tar(), "");
  expect_untouched();
  struct stat info {};
  ASSERT_EQ(::stat(outside_.c_str(), &info), 0);
  EXPECT_NE(info.st_mtime, 1'000'000);
}

TEST_F(Unpack, LinksThatClimbEndAtTheTarget) {
  TarFile(tar_)
      .symbolic_link("up", "../../..")
      .file("up/escaped", "inside")
      .symbolic_link("chain", "up/up")
      .file("chain/escaped2", "inside");
  unpack_tar();
  expect_untouched();
  EXPECT_EQ(base::read_file(target_ + "/escaped"), "inside");
}

TEST_F(Unpack, NamesWithDotDotAreRefused) {
  TarFile(tar_).file("a/../../escaped", "x");
  EXPECT_NE(unpack_tar().find(".."), std::string::npos);
  TarFile(tar_).file("a", "x").hard_link("b", "../outside/secret");
  EXPECT_NE(unpack_tar().find(".."), std::string::npos);
  expect_untouched();
}

TEST_F(Unpack, AbsoluteNamesAreBelowTheTarget) {
  TarFile(tar_).file(outside_ + "/secret", "inside");
  EXPECT_EQ(unpack_tar(), "");
  expect_untouched();
  EXPECT_EQ(base::read_file(target_ + outside_ + "/secret"), "inside");
}

TEST_F(Unpack, DevicesPipesAndOverlayAttributesAreLeftOut) {
  TarFile(tar_)
      .node("device", AE_IFCHR)
      .node("disk", AE_IFBLK)
      .node("pipe", AE_IFIFO)
      .with_attribute("trusted.overlay.opaque", "y")
      .with_attribute("user.kept", "1")
      .file("file", "x");
  EXPECT_EQ(unpack_tar(), "");
  EXPECT_EQ(std::distance(fs::directory_iterator(target_), fs::directory_iterator()), 1);
  char names[256];
  const ssize_t size = ::listxattr((target_ + "/file").c_str(), names, sizeof names);
  ASSERT_GE(size, 0);
  EXPECT_EQ(std::string(names, static_cast<std::size_t>(size)).find("trusted."), std::string::npos);
}

TEST_F(Unpack, ATreeIsCopiedWithModesTimesAndHardLinks) {
  const std::string source = root_ + "/source";
  fs::create_directories(source + "/deep/er");
  std::ofstream(source + "/deep/er/file") << std::string(300'000, 'x');
  ASSERT_EQ(::chmod((source + "/deep/er/file").c_str(), 04711), 0);
  fs::create_hard_link(source + "/deep/er/file", source + "/linked");
  fs::create_symlink("deep/er/file", source + "/symbolic");
  ASSERT_EQ(::truncate((std::ofstream(source + "/hole"), source + "/hole").c_str(), 1 << 20), 0);
  ASSERT_EQ(::chmod((source + "/deep").c_str(), 0500), 0);
  const timespec times[2] = {{5'000'000, 0}, {6'000'000, 7}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (source + "/deep").c_str(), times, 0), 0);
  unpack(source, target_, IdMapping{{{0, 1000, 1}, {1, 1, 100}}, {{0, 1001, 1}, {1, 1, 100}}});
  struct stat file {
  }, linked{}, deep{}, hole{};
  ASSERT_EQ(::stat((target_ + "/deep/er/file").c_str(), &file), 0);
  ASSERT_EQ(::stat((target_ + "/linked").c_str(), &linked), 0);
  ASSERT_EQ(::stat((target_ + "/deep").c_str(), &deep), 0);
  ASSERT_EQ(::stat((target_ + "/hole").c_str(), &hole), 0);
  EXPECT_EQ(file.st_mode & 07777u, 04711u);
  EXPECT_EQ(file.st_uid, 1000u);
  EXPECT_EQ(file.st_gid, 1001u);
  EXPECT_EQ(file.st_ino, linked.st_ino);
  EXPECT_EQ(file.st_size, 300'000);
  EXPECT_EQ(deep.st_mode & 07777u, 0500u);
  EXPECT_EQ(deep.st_mtim.tv_sec, 6'000'000);
  EXPECT_EQ(hole.st_size, 1 << 20);
  EXPECT_EQ(fs::read_symlink(target_ + "/symbolic"), "deep/er/file");
}

}  // namespace
}  // namespace rivera::garden
