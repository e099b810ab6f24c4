#include "locket/locks/expiry_loop.h"

#include <algorithm>

namespace rivera::locket {
namespace {

// Upstream reads every 5 s. A lock that was acquired through another node is kept at most this long beyond its time to
// live if that node dies together with the holder.
constexpr auto kReadingInterval = std::chrono::seconds(1);
constexpr auto kLongestWait = std::chrono::seconds(1);
// A wake-up that is later than this means that the process was stopped and could not receive refreshes.
constexpr auto kStall = std::chrono::seconds(2);
constexpr std::size_t kMaxReleasesAtOnce = 256;

}  // namespace

ExpiryLoop::ExpiryLoop(asio::any_io_executor executor, base::WorkerPool& workers, sql::Database& database,
                       const LockStore& store, LockJournal& journal, LocketProbe& probe, base::Logger logger)
    : workers_(workers),
      database_(database),
      store_(store),
      journal_(journal),
      probe_(probe),
      logger_(logger.session("expiry")),
      next_expiry_changed_(executor),
      tasks_(executor, logger_) {}

asio::awaitable<void> ExpiryLoop::start() {
  co_await read_all();
  tasks_.spawn_critical("read", reading_loop());
  tasks_.spawn_critical("release", releasing_loop());
}

asio::awaitable<void> ExpiryLoop::stop() { co_await tasks_.stop(); }

void ExpiryLoop::observe(const LockRecord& record) {
  const auto before = table_.next();
  table_.observe(record, std::chrono::steady_clock::now());
  if (table_.next() != before) next_expiry_changed_.notify_all();
}

void ExpiryLoop::forget(const std::string& key, const std::string& modified_id) { table_.forget(key, modified_id); }

asio::awaitable<void> ExpiryLoop::read_all() {
  try {
    auto read = [&database = database_, &store = store_] {
      auto connection = database.connect();
      return store.fetch_states(connection);
    };
    const auto records = co_await workers_.run(std::move(read));
    for (const auto& record : records) observe(record);
  } catch (const sql::Error& e) {
    logger_.error("failed-to-fetch-all", {{"error", e.what()}});
  }
}

asio::awaitable<void> ExpiryLoop::reading_loop() {
  while (true) {
    co_await base::sleep_for(kReadingInterval);
    co_await read_all();
  }
}

asio::awaitable<void> ExpiryLoop::wait_for_next() {
  const Instant now = std::chrono::steady_clock::now();
  const Instant latest = now + kLongestWait;
  const Instant until = std::max(now, std::min(table_.next().value_or(latest), latest));
  co_await next_expiry_changed_.wait_for(until - now);
  const auto late = std::chrono::steady_clock::now() - until;
  if (late < kStall) co_return;
  logger_.error("stalled", {{"seconds", std::chrono::duration<double>(late).count()}});
  table_.put_off(late);
}

asio::awaitable<void> ExpiryLoop::releasing_loop() {
  while (true) {
    co_await wait_for_next();
    auto due = table_.take_due(std::chrono::steady_clock::now(), kMaxReleasesAtOnce);
    for (auto& record : due) tasks_.spawn("release-expired", release(std::move(record)));
  }
}

asio::awaitable<void> ExpiryLoop::release(LockRecord due) {
  try {
    auto write = [&store = store_, due](sql::Connection& connection) { return store.release_expired(connection, due); };
    const auto outcome = co_await journal_.run(due.key, std::move(write));
    log_outcome(due, outcome);
  } catch (const sql::Error& e) {
    // The next reading adds it to the table again.
    logger_.error("failed-compare-and-release", {{"key", due.key}, {"error", e.what()}});
  } catch (const RpcError& e) {
    logger_.error("failed-compare-and-release", {{"key", due.key}, {"error", e.what()}});
  }
}

void ExpiryLoop::log_outcome(const LockRecord& record, ReleaseOutcome outcome) {
  const base::LogFields fields = {
      {"key", record.key}, {"owner", record.owner}, {"type", record.type}, {"modified-index", record.modified_index}};
  switch (outcome) {
    case ReleaseOutcome::kReleased:
      probe_.expired(record.type);
      logger_.info("lock-expired", fields);
      return;
    case ReleaseOutcome::kCollision:
      // Refreshed through another node, or through this one in the meantime: no error.
      logger_.debug("failed-compare-and-release", fields);
      return;
    case ReleaseOutcome::kAbsent:
      return;
  }
}

}  // namespace rivera::locket
