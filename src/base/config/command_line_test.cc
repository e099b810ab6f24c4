#include "base/config/command_line.h"

#include <gtest/gtest.h>

namespace rivera::base {
namespace {

TEST(CommandLine, TakesGoStyleFlags) {
  const char* argv[] = {"bbs", "-config", "x.json", "-c", "5", "--", "-verbatim"};
  EXPECT_EQ(go_style_arguments(7, argv),
            (std::vector<std::string>{"--config", "x.json", "-c", "5", "--", "-verbatim"}));
}

}  // namespace
}  // namespace rivera::base
