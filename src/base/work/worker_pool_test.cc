#include "base/work/worker_pool.h"

#include <gtest/gtest.h>

#include "base/testing/test_run.h"

namespace rivera::base {
namespace {

TEST(WorkerPool, RunsOnAnotherThreadAndBringsExceptionsBack) {
  run([](asio::any_io_executor) -> asio::awaitable<void> {
    WorkerPool pool(1);  // its thread ends before the loop does
    const auto here = std::this_thread::get_id();
    const auto there = co_await pool.run([] { return std::this_thread::get_id(); });
    EXPECT_TRUE(here != there);
    EXPECT_TRUE(here == std::this_thread::get_id());
    std::string message;
    try {
      co_await pool.run([] { throw std::runtime_error("from the pool"); });
    } catch (const std::runtime_error& e) {
      message = e.what();
    }
    EXPECT_EQ(message, "from the pool");
  });
}

}  // namespace
}  // namespace rivera::base
