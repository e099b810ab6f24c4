#include "gorouter/backends/backend_pool.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace rivera::gorouter {
namespace {

constexpr auto kIdleLimit = std::chrono::seconds(90);
constexpr std::size_t kMostIdle = 16'384;  // of all backends together

// "timeout=5, max=100": the backend closes after so long; we stop using the connection a second before.
std::chrono::nanoseconds announced_limit(std::string_view keep_alive) {
  const auto at = keep_alive.find("timeout=");
  if (at == std::string_view::npos) return kIdleLimit;
  const std::string_view digits = keep_alive.substr(at + 8);
  unsigned seconds = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  if (ec != std::errc() || seconds >= 90) return kIdleLimit;
  return std::chrono::seconds(seconds > 0 ? seconds - 1 : 0);
}

}  // namespace

BackendPool::BackendPool(const Config& config) : config_(config) {
  net::TlsClientSettings settings;
  settings.ca_pem = config.backend_ca_pem;
  settings.identity = config.backend_identity;
  tls_ = net::make_client_context(settings);
}

BackendPool::~BackendPool() = default;

std::string BackendPool::key_of(const routing::Endpoint& endpoint) {
  return endpoint.tls ? endpoint.address + "/" + endpoint.server_cert_domain_san : endpoint.address;
}

std::shared_ptr<BackendConnection> BackendPool::take_idle(const routing::Endpoint& endpoint, Instant now) {
  if (idle_count_ == 0) return nullptr;
  const auto found = idle_.find(key_of(endpoint));
  if (found == idle_.end()) return nullptr;
  auto& connections = found->second;
  while (!connections.empty()) {
    auto connection = std::move(connections.back());
    connections.pop_back();
    uncount(1);
    // Input before a request, such as the end of the stream, makes the connection unusable.
    if (now - connection->idle_since > connection->idle_limit || connection->stream->has_pending_input()) continue;
    // Otherwise a client would get what belongs to another's response.
    RIVERA_CHECK(!connection->reader.has_leftover(), "nothing is left of a response on an idle connection");
    RIVERA_CHECK(connection->key == found->first, "a connection is kept under the address that it leads to");
    connection->is_idle = false;
    connection->reused = true;
    return connection;
  }
  idle_.erase(found);
  return nullptr;
}

asio::awaitable<std::shared_ptr<BackendConnection>> BackendPool::connect(
    std::shared_ptr<const routing::Endpoint> endpoint) {
  net::DialTarget target;
  target.host = endpoint->host;
  target.port = endpoint->port;
  target.connect_timeout = config_.endpoint_dial_timeout;
  target.handshake_timeout = config_.tls_handshake_timeout;
  if (endpoint->tls) {
    target.tls = tls_;
    target.server_name = endpoint->server_cert_domain_san;
  }
  auto connection = std::make_shared<BackendConnection>();
  connection->key = key_of(*endpoint);
  connection->reader.use_budget(heads_);
  connection->stream = co_await net::dial(std::move(target));
  co_return connection;
}

void BackendPool::give_back(std::shared_ptr<BackendConnection> connection, std::string_view keep_alive, Instant now) {
  // Otherwise two requests would share it.
  RIVERA_CHECK(connection != nullptr && !connection->is_idle, "a connection is given back once");
  if (config_.disable_keep_alives || connection->reader.has_leftover() || idle_count_ >= kMostIdle) return;
  const std::size_t per_host = config_.max_idle_conns_per_host == 0 ? 2 : config_.max_idle_conns_per_host;
  const std::size_t most = config_.max_idle_conns == 0 ? per_host : std::min(per_host, config_.max_idle_conns);
  auto& connections = idle_[connection->key];
  if (connections.size() >= most) return;
  connection->is_idle = true;
  connection->idle_since = now;
  connection->idle_limit = announced_limit(keep_alive);
  connection->reader.shrink(connection->head);
  connections.push_back(std::move(connection));
  ++idle_count_;
}

void BackendPool::uncount(std::size_t connections) {
  RIVERA_CHECK(connections <= idle_count_, "no more connections go than were counted");
  idle_count_ -= connections;
}

void BackendPool::close_idle(const std::string& address) {
  std::erase_if(idle_, [&](const auto& entry) {
    const bool same = entry.first == address || entry.first.starts_with(address + "/");
    if (same) uncount(entry.second.size());
    return same;
  });
}

void BackendPool::sweep(Instant now) {
  for (auto it = idle_.begin(); it != idle_.end();) {
    uncount(std::erase_if(it->second, [&](const auto& connection) {
      return now - connection->idle_since > connection->idle_limit || connection->stream->has_pending_input();
    }));
    it = it->second.empty() ? idle_.erase(it) : std::next(it);
  }
}

}  // namespace rivera::gorouter
