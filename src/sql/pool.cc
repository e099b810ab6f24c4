#include "sql/pool.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/check.h"
#include "base/duration.h"

namespace rivera::sql {
namespace {

void raise(std::atomic<std::int64_t>& maximum, std::int64_t value) {
  std::int64_t known = maximum.load(std::memory_order_relaxed);
  while (value > known && !maximum.compare_exchange_weak(known, value, std::memory_order_relaxed)) {
  }
}

}  // namespace

QueryStatistics::Instant QueryStatistics::begin() {
  begun_.fetch_add(1, std::memory_order_relaxed);
  raise(in_flight_max_, in_flight_.fetch_add(1, std::memory_order_relaxed) + 1);
  return std::chrono::steady_clock::now();
}

void QueryStatistics::end(Instant start, bool succeeded) {
  const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - start;
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
  (succeeded ? succeeded_ : failed_).fetch_add(1, std::memory_order_relaxed);
  raise(longest_nanos_, took.count());
}

void QueryStatistics::take(DatabaseStatistics& taken) {
  taken.queries = begun_.load(std::memory_order_relaxed);
  taken.queries_succeeded = succeeded_.load(std::memory_order_relaxed);
  taken.queries_failed = failed_.load(std::memory_order_relaxed);
  taken.queries_in_flight_max = in_flight_max_.exchange(in_flight_.load(std::memory_order_relaxed));
  taken.query_duration_max = std::chrono::nanoseconds(longest_nanos_.exchange(0, std::memory_order_relaxed));
}

Cable::Cable(int socket) : socket_(fcntl(socket, F_DUPFD_CLOEXEC, 0)) {}

void Cable::cut() const {
  if (socket_) shutdown(socket_.get(), SHUT_RDWR);
}

Pool::Pool(const DatabaseConfig& given, std::unique_ptr<Driver> made_driver)
    : config(given),
      dialect(given.engine),
      driver_(std::move(made_driver)),
      limit_(std::clamp<std::size_t>(given.max_open_connections, 1, driver_->connection_limit())) {}

bool Pool::is_too_old(const Session& session) const {
  return config.max_connection_lifetime.count() > 0 &&
         std::chrono::steady_clock::now() - session.opened_at > config.max_connection_lifetime;
}

// Called with the mutex held. Closing a session may take as long as its server does: those to be closed go to
// `dropped`, which the caller destroys without the mutex.
std::unique_ptr<Session> Pool::take_idle(Sessions& dropped) {
  while (!idle_.empty()) {
    auto session = std::move(idle_.back());
    idle_.pop_back();
    if (!is_too_old(*session)) return session;
    dropped.push_back(std::move(session));
    close_one();
  }
  return nullptr;
}

void Pool::close_one() {
  RIVERA_CHECK(open_ > 0, "no more sessions are closed than were opened");
  --open_;
}

std::unique_ptr<Session> Pool::take() {
  Sessions dropped;  // before the lock: destroyed after it
  std::unique_lock lock(mutex_);
  const auto start = std::chrono::steady_clock::now();
  if (idle_.empty() && open_ >= limit_) {
    ++waits_;
    const bool freed =
        freed_.wait_for(lock, config.operation_timeout, [this] { return !idle_.empty() || open_ < limit_; });
    waited_ += std::chrono::steady_clock::now() - start;
    if (!freed) {
      throw Error(
          ErrorClass::kTimeout, "",
          fmt::format("no free database connection within {}", base::format_go_duration(config.operation_timeout)));
    }
  }
  if (auto session = take_idle(dropped)) return session;
  if (dropped.size() > 1) freed_.notify_all();
  ++open_;
  RIVERA_CHECK(open_ <= limit_, "no more sessions are open than allowed");
  lock.unlock();
  try {
    return driver_->connect();
  } catch (...) {
    lock.lock();
    close_one();
    freed_.notify_one();
    throw;
  }
}

void Pool::give_back(std::unique_ptr<Session> session) {
  RIVERA_CHECK(session != nullptr, "what was lent is given back once");
  Sessions dropped;  // closed without the mutex
  {
    const std::lock_guard lock(mutex_);
    RIVERA_CHECK(!in_flight_.contains(session.get()), "a session is given back when its statements have ended");
    RIVERA_CHECK(idle_.size() < open_, "no more is given back than was lent");
    if (session->is_usable() && !is_too_old(*session) && idle_.size() < config.max_idle_connections) {
      idle_.push_back(std::move(session));
    } else {
      // The others were most likely cut by the same event: try none of them.
      if (!session->is_usable()) dropped.swap(idle_);
      dropped.push_back(std::move(session));
      open_ -= dropped.size();
    }
  }
  if (dropped.size() > 1) {
    freed_.notify_all();
  } else {
    freed_.notify_one();
  }
}

void Pool::begin_query(Session& session) {
  const std::lock_guard lock(mutex_);
  in_flight_[&session] = std::chrono::steady_clock::now();
}

void Pool::end_query(Session& session) {
  const std::lock_guard lock(mutex_);
  in_flight_.erase(&session);
}

void Pool::cut_silent(std::chrono::nanoseconds silence) {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [session, start] : in_flight_) {
    if (now - std::max(start, session->heard_at()) >= silence) session->cut();
  }
}

DatabaseStatistics Pool::take_statistics() {
  DatabaseStatistics taken;
  queries_.take(taken);
  const std::lock_guard lock(mutex_);
  taken.open_connections = static_cast<std::int64_t>(open_);
  taken.waits = waits_;
  taken.waited = waited_;
  return taken;
}

}  // namespace rivera::sql
