// Layers, from directories and from archives that try to write elsewhere.
#include "garden/layers/unpack.h"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "garden/registry/image_documents.h"
#include "garden/testing/test_image.h"

namespace rivera::garden {
namespace {

namespace fs = std::filesystem;

class Unpack : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(target_);
    fs::create_directories(outside_);
    std::ofstream(outside_ + "/secret") << "secret";
  }
  // The failure's text, "" if there was none.
  std::string unpack_tar(const UnpackOptions& options = {}) {
    try {
      unpacked_ = garden::unpack_tar(tar_, target_, IdMapping{}, options);
      return "";
    } catch (const std::exception& e) {
      return e.what();
    }
  }
  std::string attribute(const std::string& name, const char* key) const {
    char value[64];
    const ssize_t size = ::lgetxattr((target_ + "/" + name).c_str(), key, value, sizeof value);
    return size < 0 ? "" : std::string(value, static_cast<std::size_t>(size));
  }
  bool is_whiteout(const std::string& name) const {
    struct stat info {};
    return ::lstat((target_ + "/" + name).c_str(), &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == 0;
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
  Unpacked unpacked_;
  std::string target_ = root_ + "/target", outside_ = root_ + "/outside", tar_ = root_ + "/layer.tar";
};

TEST_F(Unpack, AFileThroughASymbolicLinkToTheHostStaysInside) {
  TestTar().symbolic_link("way", outside_).file("way/secret", "attacked").file("way/new", "attacked").save(tar_);
  unpack_tar();
  expect_untouched();
}

TEST_F(Unpack, AHardLinkThroughASymbolicLinkReachesNoFileOfTheHost) {
  TestTar().symbolic_link("way", outside_).hard_link("mine", "way/secret").file("mine", "attacked").save(tar_);
  unpack_tar();
  expect_untouched();
}

TEST_F(Unpack, AHardLinkWithContentWritesThroughNothing) {
  TestTar().symbolic_link("way", outside_).hard_link("mine", "way/secret", "attacked").save(tar_);
  unpack_tar();
  expect_untouched();
  fs::remove_all(target_);
  fs::create_directories(target_);
  TestTar().symbolic_link("mine", outside_ + "/secret").hard_link("linked", "mine", "attacked").save(tar_);
  unpack_tar();
  expect_untouched();
}

TEST_F(Unpack, AFileReplacesASymbolicLinkOfTheSameName) {
  TestTar().symbolic_link("file", outside_ + "/secret").file("file", "own", 04755).save(tar_);
  EXPECT_EQ(unpack_tar(), "");
  expect_untouched();
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(target_ + "/file")));
  EXPECT_EQ(base::read_file(target_ + "/file"), "own");
}

TEST_F(Unpack, ADirectoryReplacesASymbolicLinkAndGivesTheHostNoMode) {
  TestTar().symbolic_link("way", outside_).directory("way").file("way/secret", "own").save(tar_);
  EXPECT_EQ(unpack_tar(), "");
  expect_untouched();
  EXPECT_EQ(base::read_file(target_ + "/way/secret"), "own");
}

TEST_F(Unpack, TimesOfADirectoryThatBecameALinkAreNotSetOnTheHost) {
  TestTar().directory("way").symbolic_link("way", outside_).save(tar_);
  EXPECT_EQ(unpack_tar(), "");
  expect_untouched();
  struct stat info {};
  ASSERT_EQ(::stat(outside_.c_str(), &info), 0);
  EXPECT_NE(info.st_mtime, 1'000'000);
}

TEST_F(Unpack, LinksThatClimbEndAtTheTarget) {
  TestTar()
      .symbolic_link("up", "../../..")
      .file("up/escaped", "inside")
      .symbolic_link("chain", "up/up")
      .file("chain/escaped2", "inside")
      .save(tar_);
  unpack_tar();
  expect_untouched();
  EXPECT_EQ(base::read_file(target_ + "/escaped"), "inside");
}

TEST_F(Unpack, NamesWithDotDotAreRefused) {
  TestTar().file("a/../../escaped", "x").save(tar_);
  EXPECT_NE(unpack_tar().find(".."), std::string::npos);
  TestTar().file("a", "x").hard_link("b", "../outside/secret").save(tar_);
  EXPECT_NE(unpack_tar().find(".."), std::string::npos);
  expect_untouched();
}

TEST_F(Unpack, AbsoluteNamesAreBelowTheTarget) {
  TestTar().file(outside_ + "/secret", "inside").save(tar_);
  EXPECT_EQ(unpack_tar(), "");
  expect_untouched();
  EXPECT_EQ(base::read_file(target_ + outside_ + "/secret"), "inside");
}

TEST_F(Unpack, DevicesPipesAndOverlayAttributesAreLeftOut) {
  TestTar()
      .node("device", TestTar::Node::kCharacter)
      .node("disk", TestTar::Node::kBlock)
      .node("pipe", TestTar::Node::kPipe)
      .with_attribute("trusted.overlay.opaque", "y")
      .with_attribute("user.kept", "1")
      .file("file", "x")
      .save(tar_);
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

// --- layers ---

constexpr const char* kOpaque = "trusted.overlay.opaque";

TEST_F(Unpack, WhiteoutsHideWhatIsBelowAndNotWhatTheLayerItselfHas) {
  TestTar()
      .directory("d")
      .file("d/.wh.gone", "")
      .file("own", "own")
      .file(".wh.own", "")
      .directory("full")
      .file("full/file", "x")
      .file(".wh.full", "")
      .file(".wh.later", "")
      .directory("later")
      .file(".wh.file", "")
      .file("file", "new")
      .save(tar_);
  EXPECT_EQ(unpack_tar(), "");
  EXPECT_TRUE(is_whiteout("d/gone"));
  EXPECT_EQ(base::read_file(target_ + "/own"), "own");
  EXPECT_EQ(attribute("full", kOpaque), "y");
  EXPECT_EQ(base::read_file(target_ + "/full/file"), "x");
  EXPECT_EQ(attribute("later", kOpaque), "y");
  EXPECT_EQ(base::read_file(target_ + "/file"), "new");
}

TEST_F(Unpack, AnOpaqueMarkIsAboutItsDirectory) {
  TestTar().file("d/e/.wh..wh..opq", "").file("d/.wh..wh.plnk", "").file("f/.wh..wh..opq", "").save(tar_);
  EXPECT_EQ(unpack_tar(), "");
  EXPECT_EQ(attribute("d/e", kOpaque), "y");
  EXPECT_EQ(attribute("d", kOpaque), "");
  EXPECT_EQ(attribute("f", kOpaque), "y");
  EXPECT_EQ(std::distance(fs::directory_iterator(target_ + "/d"), fs::directory_iterator()), 1);
}

TEST_F(Unpack, WhiteoutsReachNothingThroughLinks) {
  TestTar().symbolic_link("way", outside_).file("way/.wh.secret", "").file("way/.wh..wh..opq", "").save(tar_);
  unpack_tar();
  expect_untouched();
  EXPECT_EQ(attribute("../outside", kOpaque), "");
  for (const char* name : {".wh...", ".wh..", ".wh."}) {
    TestTar().file(name, "").save(tar_);
    EXPECT_NE(unpack_tar(), "") << name;
  }
  expect_untouched();
}

TEST_F(Unpack, WhatALayerTakesFromThoseBelowIsNoted) {
  TestTar().file("a/b/file", "x").directory("c").hard_link("linked", "below/file").save(tar_);
  EXPECT_EQ(unpack_tar(), "");
  EXPECT_EQ(unpacked_.implied.directories, (std::set<std::string>{"", "a", "a/b"}));
  ASSERT_EQ(unpacked_.implied.links.size(), 1u);
  EXPECT_EQ(unpacked_.implied.links[0].existing, "below/file");
}

TEST_F(Unpack, ALayerIsPutBelowItsBaseDirectory) {
  TestTar().directory("./").file("./app/file", "x").hard_link("app/linked", "app/file").save(tar_);
  UnpackOptions options;
  options.base_directory = "/home/vcap";
  EXPECT_EQ(unpack_tar(options), "");
  EXPECT_EQ(base::read_file(target_ + "/home/vcap/app/linked"), "x");
  EXPECT_TRUE(unpacked_.implied.directories.contains("home"));
}

TEST_F(Unpack, TheContentMustHaveItsDigest) {
  TestTar tar;
  const std::string bytes = tar.file("file", std::string(100'000, 'x')).bytes();
  for (const auto compression : {Compression::kNone, Compression::kGzip, Compression::kZstd}) {
    TestTar::write_file(tar_, compress(bytes, compression));
    UnpackOptions options;
    options.diff_id = digest_of(bytes);
    EXPECT_EQ(unpack_tar(options), "");
    // What follows the archive's end counts, too.
    TestTar::write_file(tar_, compress(bytes + std::string(512, '\0'), compression));
    EXPECT_NE(unpack_tar(options).find("digest"), std::string::npos);
    fs::remove_all(target_);
    fs::create_directories(target_);
  }
}

TEST_F(Unpack, BombsEndAtTheirLimit) {
  UnpackOptions options;
  options.most_bytes = 1 << 20;
  options.most_entries = 100;
  TestTar().file("big", std::string(8 << 20, '\0')).save(tar_);
  EXPECT_EQ(unpack_tar(options), "uncompressed layer size exceeds quota");
  TestTar many;
  for (int i = 0; i < 200; ++i) many.directory("d" + std::to_string(i));
  many.save(tar_);
  EXPECT_NE(unpack_tar(options).find("too many entries"), std::string::npos);
  // A file that is one hole takes no room, and its size is no reason to write.
  std::ofstream(root_ + "/hole").close();
  fs::resize_file(root_ + "/hole", std::uint64_t{1} << 40);
  base::must_run({"tar", "-cSf", tar_, "-C", root_, "hole"});
  EXPECT_EQ(unpack_tar(options), "");
  struct stat info {};
  ASSERT_EQ(::stat((target_ + "/hole").c_str(), &info), 0);
  EXPECT_EQ(info.st_size, std::int64_t{1} << 40);
  EXPECT_LT(info.st_blocks, 64);
}

TEST_F(Unpack, ACompressedStreamWithoutEndIsCutOff) {
  UnpackOptions options;
  options.most_bytes = 1 << 20;
  options.diff_id = digest_of("");  // so that what follows the archive is read
  // More than 1 GiB of zeroes behind an empty archive: a MiB compressed, and compressed once more some KiB.
  const std::string zeroes = compress(std::string(64 << 20, '\0'), Compression::kGzip);
  std::string stream;
  for (int i = 0; i < 18; ++i) stream += zeroes;
  TestTar::write_file(tar_, compress(stream, Compression::kGzip));
  EXPECT_EQ(unpack_tar(options), "uncompressed layer size exceeds quota");
}

TEST_F(Unpack, HugeHeadersAreRefused) {
  // A GNU long name of 1 GiB, of which a part follows.
  std::string header(512, '\0');
  header.replace(0, 13, "././@LongLink");
  header.replace(100, 7, "0000644");
  header.replace(124, 11, "10000000000");
  header.replace(156, 1, "L");
  header.replace(257, 8, "ustar  \0", 8);
  unsigned sum = 8 * ' ';
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (i < 148 || i >= 156) sum += static_cast<unsigned char>(header[i]);
  }
  char digits[8];
  std::snprintf(digits, sizeof digits, "%06o", sum);
  header.replace(148, 7, std::string(digits) + '\0');
  header.replace(155, 1, " ");
  TestTar::write_file(tar_, header + std::string(4 << 20, 'n'));
  EXPECT_NE(unpack_tar(), "");
  expect_untouched();
}

}  // namespace
}  // namespace rivera::garden
