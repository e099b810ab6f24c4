#include "gorouter/proxy/frontend.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>

#include "base/log/log_unexpected.h"
#include "base/work/cancellation.h"
#include "net/stream/stream_factory.h"

namespace rivera::gorouter {
namespace {

using net::AcceptedSocket;
using net::TcpSocket;

constexpr auto kTick = std::chrono::milliseconds(100);
constexpr std::size_t kMostConnections = 100'000;  // in any case; memory is limited, too
constexpr auto kBetweenNotices = std::chrono::minutes(1);

}  // namespace

Frontend::Frontend(DataPlane& plane)
    : plane_(plane),
      most_connections_(net::connection_share(net::kClientShare, kMostConnections)),
      changed_(plane.executor),
      tasks_(plane.executor, plane.logger) {}

Frontend::~Frontend() = default;

void Frontend::open() {
  const auto& config = plane_.config;
  const auto listen = [&](std::uint16_t port) {
    auto listener = std::make_unique<net::HttpListener>(plane_.executor);
    listener->listen(fmt::format("0.0.0.0:{}", port));
    return listener;
  };
  if (!config.disable_http) http_ = listen(config.port);
  if (config.enable_ssl) {
    tls_ = net::make_server_context(config.tls);
    https_ = listen(config.ssl_port);
  }
  if (http_) tasks_.spawn_critical("accept", accept(*http_, false));
  if (https_) tasks_.spawn_critical("accept-tls", accept(*https_, true));
  tasks_.spawn_critical("tick", tick());
}

std::string Frontend::http_address() const { return http_ ? http_->address() : ""; }
std::string Frontend::https_address() const { return https_ ? https_->address() : ""; }

asio::awaitable<void> Frontend::accept(net::HttpListener& listener, bool tls) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  while (!closed_) {
    error_code ec;
    auto socket = co_await listener.accept(plane_.executor, ec);
    if (closed_ || base::is_cancelled(cancellation)) co_return;
    if (ec) {
      plane_.logger.error("accept-failed", {{"error", ec.message()}});
      co_await base::sleep_for(kTick);  // out of descriptors: wait until some are closed
      continue;
    }
    auto& tcp = std::get<TcpSocket>(socket);
    if (tls) {
      ++open_handshakes_;
      asio::co_spawn(plane_.executor, handshake(std::move(tcp)), [this](std::exception_ptr failure) {
        base::log_unexpected(plane_.logger, "handshake.failed", failure);
        --open_handshakes_;
        changed_.notify_all();
      });
    } else {
      adopt(net::make_stream(std::move(tcp)));
    }
    co_await make_room();
  }
}

// Ends the connections that have been without a request for the longest time while there are too many, and waits if
// there are none such: further ones stay in the kernel's queue.
asio::awaitable<void> Frontend::make_room() {
  while (connections_.size() + open_handshakes_ > most_connections_ && !closed_) {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_notice_ > kBetweenNotices) {
      plane_.logger.error("client-connections-at-limit", {{"limit", most_connections_}});
      last_notice_ = now;
    }
    std::vector<net::IdleConnection> idle;
    for (const auto& [id, connection] : connections_) {
      if (!connection->has_request()) idle.push_back({connection->idle_since(), id});
    }
    for (const std::uint64_t id : net::longest_idle(std::move(idle), most_connections_)) connections_.at(id)->finish();
    co_await changed_.wait_for(kTick);
  }
}

// The client decides how long its handshake takes, up to the limit: accept() does not wait for it.
asio::awaitable<void> Frontend::handshake(TcpSocket socket) {
  auto stream = co_await net::accept_tls(std::move(socket), *tls_, plane_.config.client_limits.handshake);
  if (!closed_) adopt(std::move(stream));
}

void Frontend::adopt(std::unique_ptr<net::Stream> stream) {
  const std::uint64_t id = next_id_++;
  auto connection = std::make_shared<ClientConnection>(plane_, std::move(stream));
  connections_.emplace(id, connection);
  asio::co_spawn(plane_.executor, connection->serve(connection), [this, id](std::exception_ptr failure) {
    base::log_unexpected(plane_.logger, "connection.failed", failure);
    connections_.erase(id);
    changed_.notify_all();
  });
}

asio::awaitable<void> Frontend::tick() {
  for (int count = 0;; ++count) {
    const auto now = std::chrono::steady_clock::now();
    // tick() may end a connection and remove it from the table.
    std::vector<std::shared_ptr<ClientConnection>> all;
    all.reserve(connections_.size());
    for (const auto& [id, connection] : connections_) all.push_back(connection);
    for (const auto& connection : all) connection->tick(now);
    if (count % 10 == 0) plane_.backends.sweep(now);
    co_await base::sleep_for(kTick);
  }
}

void Frontend::close_listeners() {
  closed_ = true;
  if (http_) http_->close();
  if (https_) https_->close();
  changed_.notify_all();
}

bool Frontend::any_busy() const {
  for (const auto& [id, connection] : connections_) {
    if (connection->is_busy()) return true;
  }
  return false;
}

asio::awaitable<bool> Frontend::drain(std::chrono::nanoseconds limit) {
  plane_.draining = true;
  close_listeners();
  for (const auto& [id, connection] : connections_) connection->finish();
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (any_busy()) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() <= 0) co_return false;
    co_await changed_.wait_for(std::min<std::chrono::nanoseconds>(left, kTick));
  }
  co_return true;
}

asio::awaitable<void> Frontend::stop() {
  close_listeners();
  co_await tasks_.stop();
  for (const auto& [id, connection] : connections_) connection->abort();
  while (!connections_.empty() || open_handshakes_ > 0) co_await changed_.wait();
}

}  // namespace rivera::gorouter
