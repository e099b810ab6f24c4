// What the scripts do in a checkout that was moved, or is not built.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "base/testing/places.h"
#include "cluster/settings/settings.h"
#include "harness/cluster_under_test.h"

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

// Only ./run itself is there: what it would install or build cannot be.
class RunScript : public ::testing::Test {
 protected:
  RunScript() { fs::copy_file(base::source_dir() + "/run", directory_.path() / "run"); }

  base::CommandResult run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), (directory_.path() / "run").string());
    return base::run_command(arguments);
  }

  const base::TemporaryDirectory directory_;
};

TEST_F(RunScript, ChecksItsCommandLineBeforeItBuilds) {
  const std::pair<std::vector<std::string>, const char*> wrong[] = {
      {{"up", "--port-base", "abc"}, "--port-base wants a number from 1024 to 65436, not \"abc\""},
      {{"--port-base=65500"}, "--port-base wants a number"},
      {{"--set", "zone"}, "--set wants KEY=VALUE, not \"zone\""},
      {{"--set", "zones=z1"}, "zones: there is no such setting"},
      {{"up", "--set"}, "--set wants a value"},
      {{"up", "now"}, "up has no argument \"now\""},
      {{"down", "now"}, "down has no argument \"now\""},
      {{"bring"}, "there is no command \"bring\""},
  };
  for (const auto& [arguments, message] : wrong) {
    const auto result = run(arguments);
    EXPECT_EQ(result.exit_status, 2) << result.error;
    EXPECT_THAT(result.error, HasSubstr(message));
  }
}

TEST_F(RunScript, HelpsWithoutABuildAndNamesEverySetting) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"up", "--help"}, {"down", "-h"}, {"status", "--help"}, {"logs", "-h"}}) {
    const auto result = run(arguments);
    EXPECT_EQ(result.exit_status, 0) << result.error;
    for (const base::ConfigKey& key : cluster::setting_keys()) {
      if (key.name == "bin_dir") continue;
      EXPECT_THAT(result.output, HasSubstr(key.name));
    }
  }
}

TEST_F(RunScript, SaysThatAPortIsInUseBeforeItBuilds) {
  const cluster::Settings& taken = ClusterUnderTest::shared().settings();
  const auto result = run({"up", "--port-base", std::to_string(taken.ports.base)});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.error, HasSubstr(" is in use: choose others with ./run --port-base"));
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
