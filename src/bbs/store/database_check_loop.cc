#include "bbs/store/database_check_loop.h"

#include "base/duration.h"
#include "base/on_exit.h"
#include "base/work/cancellation.h"
#include "base/work/jitter.h"
#include "base/work/wait.h"

namespace rivera::bbs {
namespace {

constexpr int kPausesOfTimeout = 5;  // checks that fail are begun this part of the timeout apart, at least

}  // namespace

void check_database(sql::Database& database, std::int64_t now) {
  const std::string upsert = database.dialect().upsert("bbs_health_check", {"id"}, {"time"});
  sql::Connection connection = database.connect();
  connection.execute(upsert, {1, now});
  std::int64_t read = 0;
  connection.query_one("SELECT time FROM bbs_health_check WHERE id = ?", {1},
                       [&read](const sql::Row& row) { read = row.integer(0); });
  if (read != now) throw std::runtime_error("the database does not return what was written");
}

// A check that may outlive its waiter.
struct DatabaseCheckLoop::Attempt {
  explicit Attempt(asio::any_io_executor executor) : ended(executor) {}
  base::Condition ended;
  bool has_ended = false;
  std::string failure;  // "" = none
};

DatabaseCheckLoop::DatabaseCheckLoop(asio::any_io_executor home, base::WorkerPool& workers, Check check,
                                     Options options, base::Logger logger)
    : home_(home),
      workers_(workers),
      check_(std::move(check)),
      options_(options),
      logger_(logger.session("db-health-check")),
      attempts_(home, logger_) {}

asio::awaitable<void> DatabaseCheckLoop::run(std::function<void(const std::string& reason)> give_up) {
  int failures = 0;
  while (options_.is_enabled) {
    const auto begun = std::chrono::steady_clock::now();
    const std::string failure = co_await check_once();
    if (failure.empty()) {
      failures = 0;
      co_await base::sleep_for(base::jittered(options_.interval));
      continue;
    }
    logger_.error("failed", {{"error", failure}, {"in-a-row", ++failures}});
    if (failures >= options_.failure_threshold) {
      give_up("the database does not pass its health check: " + failure);
      co_return;
    }
    // One that fails at once fails the same way when it is repeated at once.
    const auto took = std::chrono::steady_clock::now() - begun;
    const auto pause = base::jittered(options_.timeout / kPausesOfTimeout);
    if (took < pause) co_await base::sleep_for(pause - took);
  }
}

asio::awaitable<void> DatabaseCheckLoop::stop() { return attempts_.join(); }

asio::awaitable<std::string> DatabaseCheckLoop::check_once() {
  if (!attempt_ || attempt_->has_ended) {
    attempt_ = std::make_shared<Attempt>(home_);
    attempts_.spawn("check", attempt(workers_, check_, attempt_));
  }
  const std::shared_ptr<Attempt> current = attempt_;
  const auto deadline = std::chrono::steady_clock::now() + options_.timeout;
  while (!current->has_ended) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) {
      co_return "no answer within " + base::format_go_duration(options_.timeout);
    }
    co_await current->ended.wait_for(left);
  }
  co_return current->failure;
}

asio::awaitable<void> DatabaseCheckLoop::attempt(base::WorkerPool& workers, Check check,
                                                 std::shared_ptr<Attempt> into) {
  const base::OnExit end([into] {
    into->has_ended = true;
    into->ended.notify_all();
  });
  try {
    co_await workers.run(std::move(check));
  } catch (const std::exception& e) {
    into->failure = e.what();
    if (base::is_cancellation(e)) throw;
  }
}

}  // namespace rivera::bbs
