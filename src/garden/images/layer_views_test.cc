// Overlays over layers, both ways of mounting them, with and without other owners.
#include "garden/images/layer_views.h"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "garden/images/overlay.h"

namespace rivera::garden {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kFirst = 2'415'919'104;

class Overlays : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_FAIL() << "needs root";
    for (const char* directory : {"/layers", "/scratch", "/root", "/writable"})
      fs::create_directories(place_ + directory);
  }
  void TearDown() override {
    LayerViews::unmount_all(place_ + "/root");
    LayerViews::unmount_all(place_ + "/scratch/left");
  }

  // With a name as long as those of the store.
  std::string add_layer(const std::string& file, uid_t owner = 0) {
    std::string name = std::string(60, 'l') + std::to_string(1000 + names_.size());
    std::string directory = place_ + "/layers/" + name;
    fs::create_directories(directory);
    base::write_file_atomically(directory + "/" + file, file);
    for (const std::string& path : {directory, directory + "/" + file})
      EXPECT_EQ(::chown(path.c_str(), owner, owner), 0);
    names_.push_back(name);
    return directory;
  }

  void expect_all_layers(void (*mount)(const Overlay&)) {
    const base::UniqueFd directory(::open((place_ + "/layers").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    // A directory that a volatile mount has used is used by no other.
    const std::string writable = place_ + "/writable-" + std::to_string(mounts_++);
    fs::create_directories(writable + "/diff");
    fs::create_directories(writable + "/work");
    mount({directory, names_, writable + "/diff", writable + "/work", place_ + "/root", place_ + "/scratch"});
    std::size_t files = 0;
    for (const auto& entry : fs::directory_iterator(place_ + "/root")) files += entry.is_regular_file() ? 1 : 0;
    EXPECT_EQ(files, names_.size());
    EXPECT_TRUE(fs::is_empty(place_ + "/scratch"));
    LayerViews::unmount_all(place_ + "/root");
  }

  base::TemporaryDirectory temporary_{"rivera-overlays-"};
  std::string place_ = temporary_.path();
  std::vector<std::string> names_;
  int mounts_ = 0;
};

TEST_F(Overlays, HaveAsManyLayersAsTheKernelTakes) {
  for (std::size_t i = 0; i < kMostOverlayLayers; ++i) add_layer("file-" + std::to_string(i));
  expect_all_layers(&mount_overlay);
  expect_all_layers(&mount_overlay_by_layers);
  expect_all_layers(&mount_overlay_by_text);
}

TEST_F(Overlays, TakeShortListsOfLayersByText) {
  add_layer("one");
  add_layer("two");
  expect_all_layers(&mount_overlay_by_text);
}

TEST_F(Overlays, ShowTheHighestLayer) {
  add_layer("same");
  const std::string top = add_layer("same");
  base::write_file_atomically(top + "/same", "top");
  LayerViews views(place_ + "/layers", place_ + "/scratch");
  views.mount({names_, place_ + "/writable", place_ + "/root", {}});
  EXPECT_EQ(base::read_file(place_ + "/root/same"), "top");
}

TEST_F(Overlays, WhoseOwnersAreMappedHideWhatALayerHides) {
  constexpr std::uint32_t kDiskRoot = 4'294'967'294;
  add_layer("low", kDiskRoot);
  const std::string high = add_layer("high", kDiskRoot);
  ASSERT_EQ(::mknod((high + "/low").c_str(), S_IFCHR, 0), 0);  // a whiteout
  LayerViews views(place_ + "/layers", place_ + "/scratch");
  const IdMapping owners{{{kDiskRoot, kFirst, 1}, {1, kFirst + 1, 65'535}},
                         {{kDiskRoot, kFirst, 1}, {1, kFirst + 1, 65'535}}};
  views.mount({names_, place_ + "/writable", place_ + "/root", owners});
  EXPECT_FALSE(fs::exists(place_ + "/root/low"));
  struct stat info {};
  ASSERT_EQ(::stat((place_ + "/root/high").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, kFirst);
  // The layer itself is as it was.
  ASSERT_EQ(::chmod((place_ + "/root/high").c_str(), 0600), 0);
  ASSERT_EQ(::stat((high + "/high").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, kDiskRoot);
  EXPECT_NE(info.st_mode & 07777u, 0600u);
}

// A server that was killed while it mounted left a view of the layers: it is unmounted, and the layers stay.
TEST_F(Overlays, LeaveTheLayersWhenTheirRemainsAreRemoved) {
  const std::string directory = add_layer("kept");
  fs::create_directories(place_ + "/scratch/left");
  ASSERT_EQ(::mount((place_ + "/layers").c_str(), (place_ + "/scratch/left").c_str(), nullptr, MS_BIND, nullptr), 0);
  fs::create_directories(place_ + "/scratch/links");
  fs::create_symlink(directory, place_ + "/scratch/links/0");
  LayerViews(place_ + "/layers", place_ + "/scratch").recover();
  EXPECT_TRUE(fs::is_empty(place_ + "/scratch"));
  EXPECT_TRUE(fs::exists(directory + "/kept"));
}

TEST(IdRangesOfThisMachine, ArePossibleOrTheReasonIsGiven) {
  base::TemporaryDirectory place("rivera-views-");
  Options options;
  options.state_dir = std::string(place.path()) + "/state";
  Host host;
  host.largest_id = 4'294'967'294;
  EXPECT_EQ(obstacle_to_id_ranges(options, host), "");
  EXPECT_TRUE(fs::is_empty(options.state_dir));
  host.largest_id = 65'535;
  EXPECT_EQ(obstacle_to_id_ranges(options, host), "the host has no such ids");
}

}  // namespace
}  // namespace rivera::garden
