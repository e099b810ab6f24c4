#include "base/process/program.h"

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "base/log/end_process.h"

namespace rivera::base {
namespace {

ProgramOptions quiet() {
  ProgramOptions options;
  options.name = "test";
  return options;
}

TEST(Program, EndsWithTheStatusItIsAskedFor) {
  Program program(quiet());
  const int status = program.run([](Program& running) -> asio::awaitable<void> {
    running.request_stop(3);
    co_await running.stop_requested();
  });
  EXPECT_EQ(status, 3);
}

class ProgramDeathTest : public testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// No coroutine could have caught it, on whichever thread.
TEST_P(ProgramDeathTest, AnExceptionOfAHandlerEndsTheProcess) {
  const auto fail = [threads = GetParam()] {
    ProgramOptions options = quiet();
    options.io_threads = threads;
    Program program(options);
    program.run([](Program& running) -> asio::awaitable<void> {
      asio::post(running.executor(), [] { throw std::bad_alloc(); });
      co_await running.stop_requested();
    });
  };
  EXPECT_EXIT(fail(), testing::ExitedWithCode(kBrokenExitStatus), "event-loop.failed: std::bad_alloc");
}

INSTANTIATE_TEST_SUITE_P(Threads, ProgramDeathTest, testing::Values(1, 3));

}  // namespace
}  // namespace rivera::base
