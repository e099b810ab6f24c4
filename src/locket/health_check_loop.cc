#include "locket/health_check_loop.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/work/jitter.h"
#include "base/work/wait.h"
#include "locket/locks/lock_record.h"

namespace rivera::locket {
namespace {

constexpr int kPausesOfTimeout = 5;  // attempts that fail are begun this part of the timeout apart, at least

// False if the value read is not the value written.
bool write_and_read(sql::Connection& connection) {
  const auto now = base::to_unix_nanos(base::SystemClock().now());
  if (connection.execute("UPDATE locket_health_check SET time = ? WHERE id = ?", {now, 1}) == 0) {
    connection.execute("INSERT INTO locket_health_check (id, time) VALUES (?, ?)", {1, now});
  }
  std::int64_t read = 0;
  connection.query_one("SELECT time FROM locket_health_check WHERE id = ?", {1},
                       [&](const sql::Row& row) { read = row.integer(0); });
  return read == now;
}

// The error's text; "" for success.
asio::awaitable<std::string> check_once(LockJournal& journal, std::chrono::nanoseconds limit) {
  std::string failure;
  try {
    auto written = journal.run("", write_and_read);
    const bool same = co_await base::within(limit, "DB health check", std::move(written));
    if (!same) failure = "the row read back is not the one written";
  } catch (const base::DeadlineExceeded&) {
    failure = fmt::format("timed out after {} while executing DB health check", base::format_go_duration(limit));
  } catch (const sql::Error& e) {
    failure = e.what();
  } catch (const RpcError& e) {
    failure = e.what();
  }
  co_return failure;
}

}  // namespace

void create_health_check_table(sql::Connection& connection) {
  connection.execute_script(fmt::format("CREATE TABLE IF NOT EXISTS locket_health_check (id {}, time BIGINT NOT NULL)",
                                        connection.dialect().auto_increment()));
}

asio::awaitable<void> run_health_checks(LockJournal& journal, Config config, base::Logger logger,
                                        std::function<void()> failed) {
  const auto check_logger = logger.session("db-health-check");
  while (true) {
    co_await base::sleep_for(base::jittered(config.health_check_interval));
    bool succeeded = false;
    for (int attempt = 1; attempt <= config.health_check_failure_threshold && !succeeded; ++attempt) {
      const auto begun = std::chrono::steady_clock::now();
      const std::string failure = co_await check_once(journal, config.health_check_timeout);
      succeeded = failure.empty();
      if (succeeded) break;
      check_logger.error("health-check-failed", {{"error", failure}, {"attempt", attempt}});
      if (attempt == config.health_check_failure_threshold) break;
      // One that fails at once fails the same way when it is repeated at once.
      const auto took = std::chrono::steady_clock::now() - begun;
      const auto pause = base::jittered(config.health_check_timeout / kPausesOfTimeout);
      if (took < pause) co_await base::sleep_for(pause - took);
    }
    if (succeeded) {
      check_logger.debug("health-check-succeeded");
      continue;
    }
    check_logger.error("health-check-attempts-exceeded");
    logger.error("database-failure-detected-restarting-locket");
    failed();
    co_return;
  }
}

}  // namespace rivera::locket
