// What the scripts do in a checkout that was moved, or is not built.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "base/testing/places.h"

namespace rivera::harness {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

base::CommandResult configure(const fs::path& checkout) {
  base::CommandOptions options;
  options.timeout = std::chrono::minutes(1);
  return base::run_command({(checkout / "tools" / "configure").string(), "small"}, options);
}

TEST(Scripts, AMovedOrCopiedCheckoutIsConfiguredForItsNewPlace) {
  const base::TemporaryDirectory directory("rivera o'brien-");
  const fs::path first = directory.path() / "first";
  fs::create_directories(first / "tools");
  fs::copy_file(base::source_dir() + "/tools/configure", first / "tools" / "configure");
  std::ofstream(first / "CMakeLists.txt") << "cmake_minimum_required(VERSION 3.25)\nproject(small NONE)\n";
  std::ofstream(first / "CMakePresets.json")
      << R"({"version": 6, "configurePresets": [{"name": "small", "generator": "Ninja",)"
      << R"( "binaryDir": "${sourceDir}/build/small"}]})";
  EXPECT_EQ(configure(first).exit_status, 0);
  const fs::path copied = directory.path() / "copied";
  base::must_run({"cp", "-a", first.string(), copied.string()});
  const fs::path moved = directory.path() / "moved";
  fs::rename(first, moved);
  for (const fs::path& place : {copied, moved}) {
    const auto result = configure(place);
    EXPECT_EQ(result.exit_status, 0) << result.output << result.error;
    EXPECT_THAT(base::read_file(place / "build" / "small" / "CMakeCache.txt"),
                HasSubstr("CMAKE_HOME_DIRECTORY:INTERNAL=" + place.string()));
  }
}

TEST(Scripts, CheckProgramsSaysWhatIsNotBuilt) {
  const base::TemporaryDirectory directory;
  const std::string script = base::source_dir() + "/tools/check-programs";
  const auto nothing = base::run_command({script, directory.path().string()});
  EXPECT_EQ(nothing.exit_status, 1);
  EXPECT_THAT(nothing.output, HasSubstr("the programs are not built"));
  EXPECT_EQ(nothing.error, "");

  fs::create_directories(directory.path() / "bin");
  for (int i = 0; i < 10; ++i) std::ofstream(directory.path() / "bin" / std::to_string(i));
  const auto no_rooms = base::run_command({script, directory.path().string()});
  EXPECT_EQ(no_rooms.exit_status, 1);
  EXPECT_THAT(no_rooms.output, HasSubstr("tests/pure_rooms is not built"));
  EXPECT_THAT(no_rooms.error, Not(HasSubstr("Traceback")));
}

}  // namespace
}  // namespace rivera::harness
