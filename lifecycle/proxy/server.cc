#include "proxy/server.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <openssl/err.h>

#include "proxy/memory.h"

namespace proxy {
namespace {

constexpr std::size_t kOwnDescriptors = 64;
constexpr int kBriefWait = 250;  // milliseconds, while a connection waits for seconds only
constexpr int kLongWait = 30'000;
constexpr int kRetryWait = 1000;  // after certificates that could not be read
constexpr std::uint32_t kEverything = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

[[noreturn]] void fail(const std::string& doing) {
  throw std::runtime_error("cannot " + doing + ": " + std::strerror(errno));
}

// Two descriptors for each connection, of as many as the process may have.
std::size_t connection_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur <= 2 * kOwnDescriptors ? 32 : (limit.rlim_cur - kOwnDescriptors) / 2;
}

socklen_t fill_address(const std::string& address, std::uint16_t port, sockaddr_storage& into) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&into);
  if (::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    return sizeof *v4;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&into);
  if (::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) != 1) {
    throw std::runtime_error("not an address: " + address);
  }
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  return sizeof *v6;
}

Socket listening_socket(std::uint16_t port) {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0) {
    fail("listen on port " + std::to_string(port));
  }
  return socket;
}

}  // namespace

Server::Server(std::string directory, Settings settings)
    : directory_(std::move(directory)),
      settings_(std::move(settings)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      most_connections_(connection_limit()) {
  if (!epoll_) fail("wait for events");
  watch_directory();
  for (const auto& listener : settings_.listeners) listen_on(listener);
  read_certificates();
  if (certificates_are_old_) throw std::runtime_error("the certificates cannot be read");
  release_memory();
}

void Server::listen_on(const Listener& listener) {
  auto& port = ports_.emplace_back();
  port.listener = listener;
  port.socket = listening_socket(listener.port);
  port.backend_length = fill_address(settings_.backend, listener.backend_port, port.backend);
  by_socket_[port.socket.get()] = &port;
  watch(port.socket.get(), EPOLLIN);
}

void Server::watch(int fd, std::uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) fail("watch a socket");
}

// Where the machine has no watch left, the certificates are read again from time to time.
void Server::watch_directory() {
  changes_ = Socket(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!changes_ || ::inotify_add_watch(changes_.get(), directory_.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE) < 0) {
    changes_ = Socket();
    return;
  }
  watch(changes_.get(), EPOLLIN);
}

void Server::read_certificates() {
  const bool said_so = std::exchange(certificates_are_old_, false);
  read_again_at_ = Clock::now() + std::chrono::milliseconds(kRetryWait);
  for (auto& port : ports_) {
    try {
      port.context = make_context(directory_, port.listener, settings_);
    } catch (const std::exception& e) {
      if (!said_so && !certificates_are_old_) std::fprintf(stderr, "%s\n", e.what());
      certificates_are_old_ = true;  // a file may have been replaced in between
    }
  }
}

int Server::wait_limit() const {
  if (!unfinished_.empty()) return 0;
  if (is_one_brief_) return kBriefWait;
  return certificates_are_old_ || !changes_ ? kRetryWait : kLongWait;
}

void Server::run() {
  std::array<epoll_event, 256> events{};
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait_limit());
    bool certificates_changed = (certificates_are_old_ || !changes_) && Clock::now() >= read_again_at_;
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      if (changes_ && event.data.fd == changes_.get()) {
        std::array<char, 4096> names{};
        while (::read(changes_.get(), names.data(), names.size()) > 0) certificates_changed = true;
      } else if (const auto port = by_socket_.find(event.data.fd); port != by_socket_.end()) {
        accept_all(*port->second);
      } else if (const auto found = by_fd_.find(event.data.fd); found != by_fd_.end()) {
        const bool client_broke =
            event.data.fd == found->second->client() && (event.events & (EPOLLERR | EPOLLHUP)) != 0;
        if (client_broke) {
          end(found->second);
        } else {
          step(found->second);
        }
      }
    }
    step_unfinished();
    if (certificates_changed) read_certificates();
    if (count == 0 && connections_.size() < most_connections_) pause_accepting(false);
    if (certificates_changed || count == 0) release_memory();
    if (Clock::now() >= next_sweep_) end_overdue();
  }
}

void Server::accept_all(Port& port) {
  for (;;) {
    if (connections_.size() >= most_connections_) return pause_accepting(true);
    Socket client(::accept4(port.socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) pause_accepting(true);
      return;
    }
    const int on = 1;
    ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Ssl ssl(SSL_new(port.context.get()));
    if (!ssl || SSL_set_fd(ssl.get(), client.get()) != 1) {
      ERR_clear_error();
      continue;
    }
    const int fd = client.get();
    connections_.emplace_front(std::move(client), std::move(ssl), port.backend, port.backend_length);
    by_fd_[fd] = connections_.begin();
    watch(fd, kEverything);
    step(connections_.begin());
  }
}

void Server::step(Connections::iterator connection) {
  const bool had_backend = connection->backend() >= 0;
  const auto result = connection->step();
  if (result != Connection::Step::kOver && !had_backend && connection->backend() >= 0) {
    by_fd_[connection->backend()] = connection;
    watch(connection->backend(), kEverything);
  }
  if (connection->waits_briefly()) is_one_brief_ = true;
  if (result == Connection::Step::kMore) unfinished_.push_back(connection->client());
  if (result == Connection::Step::kOver) end(connection);
}

void Server::step_unfinished() {
  for (const int fd : std::exchange(unfinished_, {})) {
    if (const auto found = by_fd_.find(fd); found != by_fd_.end()) step(found->second);
  }
}

void Server::end(Connections::iterator connection) {
  by_fd_.erase(connection->client());
  by_fd_.erase(connection->backend());
  connections_.erase(connection);
  if (is_paused_) pause_accepting(false);
}

void Server::end_overdue() {
  const auto now = Clock::now();
  next_sweep_ = now + std::chrono::milliseconds(kBriefWait);
  is_one_brief_ = false;
  for (auto it = connections_.begin(); it != connections_.end();) {
    const auto current = it++;
    is_one_brief_ = is_one_brief_ || current->waits_briefly();
    if (!current->is_in_time(now)) end(current);
  }
}

// New connections wait in the kernel's queue.
void Server::pause_accepting(bool paused) {
  if (std::exchange(is_paused_, paused) == paused) return;
  for (const auto& port : ports_) {
    epoll_event event{};
    event.events = paused ? 0u : static_cast<std::uint32_t>(EPOLLIN);
    event.data.fd = port.socket.get();
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, port.socket.get(), &event);
  }
}

}  // namespace proxy
