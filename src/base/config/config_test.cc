#include "base/config/config.h"

#include <gtest/gtest.h>

#include "base/files.h"

namespace rivera::base {
namespace {

using namespace std::chrono_literals;

TEST(ConfigFile, NamesFileKeyAndExpectation) {
  TemporaryDirectory directory;
  const auto path = directory.path() / "c.json";
  write_file_atomically(path, R"({"n":"x","inner":{"d":"10s","bad":5.5}})");
  const auto config = ConfigFile::load(path.string());
  EXPECT_EQ(config.section("inner").duration("d", 1s), 10s);
  EXPECT_EQ(config.section("absent").duration("d", 1s), 1s);
  try {
    config.section("inner").text("bad");
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_EQ(std::string(e.what()), path.string() + ": inner.bad: expected a string");
  }
  EXPECT_THROW(config.integer("n"), ConfigError);
  EXPECT_THROW(config.required_text("m"), ConfigError);
  EXPECT_THROW(ConfigFile::load("/nonexistent"), ConfigError);
}

}  // namespace
}  // namespace rivera::base
