#include "base/work/first_success.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"

namespace rivera::base {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds kLong = 1h;

// What each attempt does, and what became of it.
struct Script {
  enum class Step { kSucceeds, kFails, kHangs };
  std::vector<Step> steps;
  std::vector<int> started = {};
  int cancelled = 0;
};

asio::awaitable<void> follow(std::shared_ptr<Script> script, std::size_t i) {
  script->started.push_back(static_cast<int>(i));
  switch (script->steps.at(i)) {
    case Script::Step::kSucceeds:
      co_return;
    case Script::Step::kFails:
      throw std::runtime_error("attempt " + std::to_string(i));
    case Script::Step::kHangs:
      break;
  }
  bool was_cancelled = false;
  Condition never(co_await asio::this_coro::executor);
  try {
    co_await never.wait();
  } catch (const boost::system::system_error&) {
    was_cancelled = true;
  }
  script->cancelled += was_cancelled;
  if (was_cancelled) throw_cancellation();
}

std::shared_ptr<Script> run_script(std::vector<Script::Step> steps, std::chrono::nanoseconds stagger,
                                   std::string expected_failure = "") {
  auto script = std::make_shared<Script>(Script{std::move(steps)});
  run([&](asio::any_io_executor) -> asio::awaitable<void> {
    std::string failure;
    try {
      auto attempt = [script](std::size_t i) { return follow(script, i); };
      co_await first_success(script->steps.size(), stagger, attempt);
    } catch (const std::runtime_error& e) {
      failure = e.what();
    }
    EXPECT_EQ(failure, expected_failure);
    const auto hanging =
        std::ranges::count_if(script->started, [&](int i) { return script->steps.at(i) == Script::Step::kHangs; });
    co_await eventually("what hangs is cancelled", [&] { return script->cancelled == hanging; });
  });
  return script;
}

using enum Script::Step;

TEST(FirstSuccess, StartsNothingThatIsNotNeeded) {
  EXPECT_EQ(run_script({kSucceeds, kSucceeds}, kLong)->started, std::vector<int>({0}));
  EXPECT_EQ(run_script({kSucceeds}, kLong)->started, std::vector<int>({0}));
}

TEST(FirstSuccess, StartsTheNextOneWhenAllThatRunHaveFailed) {
  EXPECT_EQ(run_script({kFails, kFails, kSucceeds}, kLong)->started, std::vector<int>({0, 1, 2}));
}

TEST(FirstSuccess, StartsTheNextOneBesideOneThatHangsAndCancelsThat) {
  const auto script = run_script({kHangs, kHangs, kSucceeds}, 5ms);
  EXPECT_EQ(script->started, std::vector<int>({0, 1, 2}));
  EXPECT_EQ(script->cancelled, 2);
}

TEST(FirstSuccess, FailsAsTheLastOneFails) {
  run_script({kFails, kFails}, kLong, "attempt 1");
  run_script({kFails}, kLong, "attempt 0");
}

TEST(FirstSuccess, CancelsWhatRunsWhenItIsCancelled) {
  auto script = std::make_shared<Script>(Script{{kHangs, kHangs}});
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    TaskGroup group(executor, Logger::discard());
    auto race = [script]() -> asio::awaitable<void> {
      auto attempt = [script](std::size_t i) { return follow(script, i); };
      co_await first_success(2, 0ns, attempt);
    };
    group.spawn("race", race());
    co_await eventually("both are started", [&] { return script->started.size() == 2; });
    co_await group.stop();
    co_await eventually("both are cancelled", [&] { return script->cancelled == 2; });
  });
}

}  // namespace
}  // namespace rivera::base
