#include "base/duration.h"

#include <gtest/gtest.h>

namespace rivera::base {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsAndWritesGoDurations) {
  EXPECT_EQ(parse_go_duration("1h30m"), 90min);
  EXPECT_EQ(parse_go_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_go_duration("-250ms"), -250ms);
  EXPECT_EQ(parse_go_duration("0"), 0s);
  EXPECT_EQ(format_go_duration(90min), "1h30m0s");
  EXPECT_EQ(format_go_duration(1500ms), "1.5s");
  EXPECT_EQ(format_go_duration(10ms), "10ms");
  EXPECT_EQ(format_go_duration(0s), "0s");
}

TEST(Duration, RefusesWhatIsNotOne) {
  for (const char* text : {"", "5", "s", "1x", "1..5s", "9999999999h", "1s "}) {
    EXPECT_THROW(parse_go_duration(text), std::invalid_argument) << text;
  }
}

}  // namespace
}  // namespace rivera::base
