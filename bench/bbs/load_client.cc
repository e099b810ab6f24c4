#include "load_client.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <chrono>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <openssl/ssl.h>

#include "base/units.h"

namespace rivera::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

int connect_to(const std::string& address) {
  const auto colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    throw std::runtime_error("cannot connect to " + address);
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

}  // namespace

double LoadResult::percentile(double share) const {
  if (latencies.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(latencies.size()));
  return latencies[std::min(at, latencies.size() - 1)];
}

struct LoadClient::Connection {
  ~Connection() {
    SSL_free(ssl);
    if (fd >= 0) ::close(fd);
  }
  int fd = -1;
  SSL* ssl = nullptr;
  bool busy = false;
  SteadyClock::time_point sent;
  std::string input;  // the head, then the first bytes of the body
  bool in_body = false;
  std::size_t body_left = 0;
};

LoadClient::LoadClient(const std::string& address, const net::TlsFiles& tls, int connections) : host_(address) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  context_ = context;
  const bool ready = SSL_CTX_use_certificate_chain_file(context, tls.certificate_file.c_str()) == 1 &&
                     SSL_CTX_use_PrivateKey_file(context, tls.key_file.c_str(), SSL_FILETYPE_PEM) == 1 &&
                     SSL_CTX_load_verify_locations(context, tls.ca_file.c_str(), nullptr) == 1;
  if (!ready) throw std::runtime_error("cannot read the client's certificate, key or CA");
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < connections; ++i) {
    auto connection = std::make_unique<Connection>();
    connection->fd = connect_to(address);
    connection->ssl = SSL_new(context);
    SSL_set_fd(connection->ssl, connection->fd);
    if (SSL_connect(connection->ssl) != 1) throw std::runtime_error("TLS handshake failed");
    timeval limit{60, 0};
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection.get();
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->fd, &event);
    connections_.push_back(std::move(connection));
  }
}

LoadClient::~LoadClient() {
  connections_.clear();
  if (epoll_ >= 0) ::close(epoll_);
  SSL_CTX_free(static_cast<SSL_CTX*>(context_));
}

LoadResult LoadClient::run(std::size_t count, const std::function<LoadRequest(std::size_t)>& make) {
  LoadResult result;
  result.latencies.reserve(count);
  next_ = 0;
  wanted_ = count;
  const auto begin_time = SteadyClock::now();
  for (auto& connection : connections_) begin(*connection, make);
  epoll_event events[64];
  while (result.latencies.size() < count) {
    const int ready = epoll_wait(epoll_, events, 64, 60'000);
    if (ready <= 0) throw std::runtime_error("no answer within a minute");
    for (int i = 0; i < ready; ++i) {
      auto& connection = *static_cast<Connection*>(events[i].data.ptr);
      if (advance(connection, result)) begin(connection, make);
    }
  }
  result.seconds = std::chrono::duration<double>(SteadyClock::now() - begin_time).count();
  std::sort(result.latencies.begin(), result.latencies.end());
  return result;
}

void LoadClient::begin(Connection& connection, const std::function<LoadRequest(std::size_t)>& make) {
  if (next_ == wanted_) return;
  const LoadRequest request = make(next_++);
  const std::string bytes = fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n{}",
      request.path, host_, request.body.size(), request.body);
  connection.sent = SteadyClock::now();
  connection.busy = true;
  connection.in_body = false;
  connection.input.clear();
  if (SSL_write(connection.ssl, bytes.data(), static_cast<int>(bytes.size())) <= 0) {
    throw std::runtime_error("cannot send a request");
  }
}

// Reads what is there; true once the answer is whole.
bool LoadClient::advance(Connection& connection, LoadResult& result) {
  char buffer[64 * base::kKibibyte];
  do {
    const int n = SSL_read(connection.ssl, buffer, sizeof buffer);
    if (n <= 0 && SSL_get_error(connection.ssl, n) == SSL_ERROR_WANT_READ) return false;  // it was a session ticket
    if (n <= 0 || !connection.busy) throw std::runtime_error("the connection was closed");
    std::string_view bytes(buffer, static_cast<std::size_t>(n));
    if (!connection.in_body) {
      connection.input += bytes;
      const auto end = connection.input.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      if (!connection.input.starts_with("HTTP/1.1 200")) throw std::runtime_error(connection.input);
      const auto length = connection.input.find("Content-Length: ");
      const char* digits = connection.input.data() + length + 16;
      std::from_chars(digits, digits + 20, connection.body_left);
      result.bytes += connection.body_left;
      connection.in_body = true;
      bytes = std::string_view(connection.input).substr(end + 4);
      if (!bytes.empty() && bytes.front() == '\x0a') {
        throw std::runtime_error("an error was answered: " + std::string(bytes));
      }
    }
    connection.body_left -= bytes.size();
  } while (!(connection.in_body && connection.body_left == 0) && SSL_pending(connection.ssl) > 0);
  if (!connection.in_body || connection.body_left > 0) return false;
  connection.busy = false;
  result.latencies.push_back(std::chrono::duration<double, std::milli>(SteadyClock::now() - connection.sent).count());
  return true;
}

}  // namespace rivera::bench
