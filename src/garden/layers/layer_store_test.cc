// Layers on the disk: what they take from one another, what survives.
#include "garden/layers/layer_store.h"

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "base/files.h"
#include "garden/testing/test_image.h"

namespace rivera::garden {
namespace {

namespace fs = std::filesystem;

class Layers : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_ + "/layers");
    fs::create_directories(root_ + "/trash");
  }
  void add(const std::string& id, TestTar& tar, const std::vector<std::string>& below = {},
           const std::string& base_directory = "") {
    tar.save(root_ + "/layer.tar");
    const std::string draft = store_.begin(id, IdMapping{});
    UnpackOptions options;
    options.base_directory = base_directory;
    const auto content = unpack_tar(root_ + "/layer.tar", draft, IdMapping{}, options);
    store_.publish(id, draft, content, below, base_directory);
  }
  struct stat info(const std::string& name) const {
    struct stat info {};
    EXPECT_EQ(::lstat((root_ + "/layers/" + name).c_str(), &info), 0) << name;
    return info;
  }

  base::TemporaryDirectory temporary_{"rivera-layers-"};
  std::string root_ = temporary_.path();
  LayerStore store_{root_ + "/layers", root_ + "/trash"};
};

TEST_F(Layers, DirectoriesWithoutAnEntryLookAsTheyDoBelow) {
  TestTar low, high;
  low.directory("./", 0711).directory("tmp", 01777).with_owner(7, 8).directory("srv", 0750);
  add("low", low);
  high.file("tmp/file", "x").file("srv/deep/file", "x");
  add("high", high, {"low"});
  EXPECT_EQ(info("high/tmp").st_mode & 07777u, 01777u);
  EXPECT_EQ(info("high/srv").st_mode & 07777u, 0750u);
  EXPECT_EQ(info("high/srv").st_uid, 7u);
  EXPECT_EQ(info("high/srv/deep").st_mode & 07777u, 0755u);
  EXPECT_EQ(info("high").st_mode & 07777u, 0711u);
}

TEST_F(Layers, AHardLinkToAFileBelowBringsTheFileUp) {
  TestTar low, high, none;
  low.directory("bin").file("bin/busybox", "program", 04755).symbolic_link("link", "/etc/passwd");
  add("low", low);
  high.hard_link("bin/sh", "bin/busybox");
  add("high", high, {"low"});
  EXPECT_EQ(base::read_file(root_ + "/layers/high/bin/sh"), "program");
  EXPECT_EQ(info("high/bin/sh").st_ino, info("high/bin/busybox").st_ino);
  EXPECT_EQ(info("high/bin/sh").st_mode & 07777u, 04755u);
  // Through no symbolic link, and not to nothing.
  none.hard_link("mine", "link");
  EXPECT_THROW(add("none", none, {"high", "low"}), std::runtime_error);
  EXPECT_FALSE(store_.find("none"));
}

TEST_F(Layers, ABaseDirectoryMustExistBelow) {
  TestTar low, high, lost;
  low.directory("home").with_owner(5, 5).directory("home/vcap", 0700);
  add("low", low);
  high.file("app", "x");
  add("high", high, {"low"}, "/home/vcap");
  EXPECT_EQ(info("high/home/vcap").st_uid, 5u);
  EXPECT_EQ(info("high/home/vcap").st_mode & 07777u, 0700u);
  lost.file("app", "x");
  try {
    add("lost", lost, {"low"}, "/nowhere");
    FAIL() << "it was unpacked";
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "base directory not found in parent layer");
  }
}

TEST_F(Layers, OnlyWholeLayersSurviveARestart) {
  TestTar whole, damaged, unmarked;
  add("whole", whole.file("file", "12345"));
  store_.make_durable();
  add("damaged", damaged.file("file", "x"));
  add("unmarked", unmarked.file("file", "x"));
  fs::remove(root_ + "/layers/unmarked.size");
  store_.begin("draft", IdMapping{});
  base::write_file_atomically(root_ + "/layers/lost.size", "17");
  fs::create_directories(root_ + "/layers/used");
  // As if there had been a power loss before the layer was on the disk.
  base::write_file_atomically(root_ + "/layers/damaged.size",
                              R"({"bytes":1,"entries":1,"durable":false,"boot":"another"})");
  store_.recover({"used"});
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(root_ + "/layers")) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"used", "whole", "whole.size"}));
  const auto found = store_.find("whole");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->bytes, 5u);
  EXPECT_EQ(found->entries, 1u);
}

TEST_F(Layers, TheOneThatWasUsedTheLongestAgoIsFirst) {
  TestTar first, second;
  add("first", first.file("file", "x"));
  add("second", second.file("file", "x"));
  EXPECT_TRUE(store_.find("first"));
  const auto layers = store_.layers();
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].id, "second");
  store_.remove("second");
  EXPECT_FALSE(store_.find("second"));
  EXPECT_EQ(store_.layers().size(), 1u);
}

TEST_F(Layers, EachMappingHasItsOwn) {
  const IdMapping mapping{{{0, 1000, 1}}, {{0, 1000, 1}}};
  EXPECT_NE(LayerStore::id_of("sha256:aa", IdMapping{}), LayerStore::id_of("sha256:aa", mapping));
  EXPECT_NE(LayerStore::id_of("sha256:aa", mapping), LayerStore::id_of("sha256:ab", mapping));
}

}  // namespace
}  // namespace rivera::garden
