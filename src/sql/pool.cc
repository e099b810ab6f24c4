#include "sql/pool.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/duration.h"

namespace rivera::sql {

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

// Called with the mutex held.
std::unique_ptr<Session> Pool::take_idle() {
  while (!idle_.empty()) {
    auto session = std::move(idle_.back());
    idle_.pop_back();
    if (!is_too_old(*session)) return session;
    --open_;
  }
  return nullptr;
}

std::unique_ptr<Session> Pool::take() {
  std::unique_lock lock(mutex_);
  const auto start = std::chrono::steady_clock::now();
  if (idle_.empty() && open_ >= limit_) {
    ++statistics_.waits;
    const bool freed =
        freed_.wait_for(lock, config.operation_timeout, [this] { return !idle_.empty() || open_ < limit_; });
    statistics_.waited += std::chrono::steady_clock::now() - start;
    if (!freed) {
      throw Error(
          ErrorClass::kTimeout, "",
          fmt::format("no free database connection within {}", base::format_go_duration(config.operation_timeout)));
    }
  }
  if (auto session = take_idle()) return session;
  ++open_;
  lock.unlock();
  try {
    return driver_->connect();
  } catch (...) {
    lock.lock();
    --open_;
    freed_.notify_one();
    throw;
  }
}

void Pool::give_back(std::unique_ptr<Session> session) {
  std::unique_ptr<Session> dropped;  // closed without the mutex
  {
    const std::lock_guard lock(mutex_);
    if (session->is_usable() && !is_too_old(*session)) {
      idle_.push_back(std::move(session));
    } else {
      dropped = std::move(session);
      --open_;
      // The others were most likely cut by the same event: try none of them.
      if (!dropped->is_usable()) {
        open_ -= idle_.size();
        idle_.clear();
      }
    }
  }
  freed_.notify_one();
}

void Pool::begin_query(Session& session) {
  const std::lock_guard lock(mutex_);
  ++statistics_.queries;
  in_flight_[&session] = std::chrono::steady_clock::now();
  const auto count = static_cast<std::int64_t>(in_flight_.size());
  statistics_.queries_in_flight_max = std::max(statistics_.queries_in_flight_max, count);
}

void Pool::end_query(Session& session, bool succeeded) {
  const std::lock_guard lock(mutex_);
  const auto query = in_flight_.find(&session);
  const auto duration = std::chrono::steady_clock::now() - query->second;
  in_flight_.erase(query);
  ++(succeeded ? statistics_.queries_succeeded : statistics_.queries_failed);
  statistics_.query_duration_max = std::max<std::chrono::nanoseconds>(statistics_.query_duration_max, duration);
}

void Pool::cut_silent(std::chrono::nanoseconds silence) {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [session, start] : in_flight_) {
    if (now - std::max(start, session->heard_at()) >= silence) session->cut();
  }
}

DatabaseStatistics Pool::take_statistics() {
  const std::lock_guard lock(mutex_);
  statistics_.open_connections = static_cast<std::int64_t>(open_);
  DatabaseStatistics taken = statistics_;
  statistics_.queries_in_flight_max = static_cast<std::int64_t>(in_flight_.size());
  statistics_.query_duration_max = {};
  return taken;
}

}  // namespace rivera::sql
