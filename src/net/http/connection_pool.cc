#include "net/http/connection_pool.h"

#include "base/check.h"

namespace rivera::net {
namespace {

constexpr std::chrono::nanoseconds kLongestBetweenSweeps = std::chrono::seconds(10);

}  // namespace

ConnectionPool::ConnectionPool(asio::any_io_executor executor, Limits limits) : timer_(executor), limits_(limits) {}

// Bytes that were not asked for, or the end of the stream, make a connection unusable.
bool ConnectionPool::is_usable(const Idle& idle, Instant now) const {
  return now - idle.since < limits_.idle_timeout && !idle.connection->stream->has_pending_input();
}

std::unique_ptr<ClientConnection> ConnectionPool::take(const Endpoint& endpoint) {
  const auto found = idle_.find(endpoint);
  if (found == idle_.end()) return nullptr;
  const Instant now = std::chrono::steady_clock::now();
  std::unique_ptr<ClientConnection> taken;
  while (!taken && !found->second.empty()) {
    Idle candidate = std::move(found->second.back());
    found->second.pop_back();
    uncount(1);
    if (is_usable(candidate, now)) taken = std::move(candidate.connection);
  }
  // Otherwise the next request would read what belongs to this one's answer.
  RIVERA_CHECK(!taken || (taken->reader.body_complete() && !taken->reader.has_leftover()),
               "nothing is left of an answer on an idle connection");
  if (taken) taken->is_reused = true;
  return taken;
}

void ConnectionPool::give_back(const Endpoint& endpoint, std::unique_ptr<ClientConnection> connection) {
  RIVERA_CHECK(connection != nullptr && connection->stream != nullptr, "a connection is given back once");
  if (is_closed_ || limits_.per_endpoint == 0) return;
  if (!connection->may_be_reused || !connection->reader.body_complete() || connection->reader.has_leftover()) return;
  if (size_ >= limits_.in_all) sweep();
  if (size_ >= limits_.in_all) return;
  connection->reader.shrink();
  auto& idle = idle_[endpoint];
  if (idle.size() >= limits_.per_endpoint) {
    idle.pop_front();
    uncount(1);
  }
  idle.push_back({std::move(connection), std::chrono::steady_clock::now()});
  ++size_;
  RIVERA_CHECK(size_ <= limits_.in_all, "no more connections are kept than allowed");
  sweep_later();
}

void ConnectionPool::drop(const Endpoint& endpoint) {
  const auto found = idle_.find(endpoint);
  if (found == idle_.end()) return;
  uncount(found->second.size());
  idle_.erase(found);
}

void ConnectionPool::close() {
  is_closed_ = true;
  idle_.clear();
  size_ = 0;
  timer_.cancel();
}

void ConnectionPool::uncount(std::size_t connections) {
  RIVERA_CHECK(connections <= size_, "no more connections go than were counted");
  size_ -= connections;
}

void ConnectionPool::sweep() {
  const Instant now = std::chrono::steady_clock::now();
  for (auto it = idle_.begin(); it != idle_.end();) {
    uncount(std::erase_if(it->second, [&](const Idle& idle) { return !is_usable(idle, now); }));
    it = it->second.empty() ? idle_.erase(it) : std::next(it);
  }
}

void ConnectionPool::sweep_later() {
  if (is_sweep_due_ || is_closed_) return;
  is_sweep_due_ = true;
  timer_.expires_after(std::min(limits_.idle_timeout / 2, kLongestBetweenSweeps));
  timer_.async_wait([weak = weak_from_this()](const error_code& ec) {
    const auto self = weak.lock();
    if (!self) return;
    self->is_sweep_due_ = false;
    if (ec) return;
    self->sweep();
    if (!self->idle_.empty()) self->sweep_later();
  });
}

}  // namespace rivera::net
