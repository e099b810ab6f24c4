#include "garden/host/tag_lock.h"

#include <filesystem>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rivera::garden {
namespace {

Options garden_with(const std::string& state_dir, const std::string& run_dir) {
  Options options;
  options.tag = "ab";
  options.state_dir = state_dir;
  options.run_dir = run_dir;
  return options;
}

std::string refusal(const Options& options, const std::string& directory) {
  try {
    TagLock lock(options, directory);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "";
}

TEST(TagLock, IsRefusedWhileAnotherGardenHoldsIt) {
  const base::TemporaryDirectory directory;
  std::optional<TagLock> first(std::in_place, garden_with("/first", "/run/first"), directory.path());
  EXPECT_EQ(refusal(garden_with("/second", "/run/second"), directory.path()),
            "the tag \"ab\" is held by the garden that uses /first: choose another --tag");
  first.reset();
  EXPECT_EQ(refusal(garden_with("/second", "/run/second"), directory.path()), "");
}

TEST(TagLock, IsRefusedWhileContainersOfAnotherGardenAreLeft) {
  const base::TemporaryDirectory directory;
  // "/sys/fs/cgroup" stands for the root of a container.
  { const TagLock first(garden_with("/first", "/sys"), directory.path()); }
  EXPECT_THAT(refusal(garden_with("/second", "/run/second"), directory.path()),
              ::testing::HasSubstr("containers of the garden that used /first"));
  EXPECT_EQ(refusal(garden_with("/first", "/sys"), directory.path()), "") << "they are its own";
}

TEST(TagLock, LeavesNothingOnceItIsRemoved) {
  const base::TemporaryDirectory directory;
  TagLock lock(garden_with("/first", "/run/first"), directory.path());
  lock.remove();
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_EQ(refusal(garden_with("/second", "/run/second"), directory.path()), "");
}

}  // namespace
}  // namespace rivera::garden
