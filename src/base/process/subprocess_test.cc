#include "base/process/subprocess.h"

#include <signal.h>

#include <gtest/gtest.h>

namespace rivera::base {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST(Subprocess, GivesOutputAndStatus) {
  CommandOptions options;
  options.input = "hello";
  const auto echoed = run_command({"cat"}, options);
  EXPECT_TRUE(echoed.ok());
  EXPECT_EQ(echoed.output, "hello");
  EXPECT_EQ(run_command({"sh", "-c", "exit 7"}).exit_status, 7);
  EXPECT_THROW(run_command({"/no/such/program"}), std::system_error);
}

TEST(Subprocess, TakesMuchInputAndOutputAtOnce) {
  CommandOptions options;
  options.input = std::string(3'000'000, 'i');
  const auto copied = run_command({"cat"}, options);
  EXPECT_EQ(copied.output, options.input);
}

TEST(Subprocess, KeepsNoMoreOutputThanAllowed) {
  CommandOptions options;
  options.output_limit = 1000;
  const auto result = run_command({"sh", "-c", "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2"}, options);
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.output.size(), 1000u);
  EXPECT_EQ(result.error.size(), 1000u);
}

TEST(Subprocess, SurvivesAProgramThatDoesNotReadItsInput) {
  CommandOptions options;
  options.input = std::string(1'000'000, 'i');
  EXPECT_EQ(run_command({"true"}, options).exit_status, 0);
  EXPECT_EQ(run_command({"sh", "-c", "exec <&-; sleep 0.05; exit 3"}, options).exit_status, 3);
}

class SubprocessTimeout : public testing::TestWithParam<const char*> {};

// Whatever it does with its streams, a command that does not end is killed in time.
TEST_P(SubprocessTimeout, IsKept) {
  CommandOptions options;
  options.timeout = 200ms;
  const auto begun = Clock::now();
  const auto result = run_command({"sh", "-c", GetParam()}, options);
  EXPECT_TRUE(result.timed_out);
  EXPECT_FALSE(result.ok());
  EXPECT_LT(Clock::now() - begun, 20s);
}

INSTANTIATE_TEST_SUITE_P(Programs, SubprocessTimeout,
                         testing::Values("exec sleep 1000",                 // keeps them open
                                         "exec sleep 1000 >&- 2>&-",        // closes them and continues
                                         "sleep 1000 & wait",               // has a child
                                         "trap '' TERM; sleep 1000; true",  // ignores requests to end
                                         "while :; do echo much; done"));   // never stops writing

TEST(Subprocess, DoesNotWaitForWhatTheProgramLeavesBehind) {
  CommandOptions options;
  options.timeout = 60s;
  const auto begun = Clock::now();
  const auto result = run_command({"sh", "-c", "sleep 1000 & echo $!"}, options);  // it keeps the pipes open
  EXPECT_TRUE(result.ok());
  EXPECT_LT(Clock::now() - begun, 30s);
  EXPECT_EQ(::kill(std::stoi(result.output), SIGKILL), 0);
}

TEST(Subprocess, NamesTheCommandInErrorsButNotItsArguments) {
  try {
    must_run({"sh", "-c", "echo reason >&2; exit 4", "secret"});
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_EQ(std::string(e.what()), "sh: exit status 4: reason\n");
  }
}

}  // namespace
}  // namespace rivera::base
