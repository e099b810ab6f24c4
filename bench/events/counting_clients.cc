#include "counting_clients.h"

#include <arpa/inet.h>
#include <chrono>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "base/units.h"
#include "models/models.h"

namespace rivera::bench {
namespace {

int checked(int result, const char* doing) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), doing);
  return result;
}

}  // namespace

CountingClients::CountingClients(const std::string& address)
    : port_(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)))),
      epoll_(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

CountingClients::~CountingClients() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  for (const Client& client : clients_) close(client.socket);
  close(epoll_);
}

void CountingClients::add(const std::string& path, const std::string& cell) {
  const int socket = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  clients_.push_back({socket, 0});
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port_);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  checked(connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to), "connect");
  models::EventsByCellId filter;
  filter.set_cell_id(cell);
  const std::string body = filter.SerializeAsString();
  const std::string request =
      fmt::format("POST {} HTTP/1.1\r\nHost: bench\r\nContent-Length: {}\r\n\r\n{}", path, body.size(), body);
  checked(static_cast<int>(send(socket, request.data(), request.size(), MSG_NOSIGNAL)), "send");
}

void CountingClients::start() {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.u64 = i;
    checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, clients_[i].socket, &interest), "epoll_ctl");
  }
  thread_ = std::thread([this] { read_all(); });
}

std::uint64_t CountingClients::events() {
  const std::lock_guard lock(mutex_);
  return events_;
}

void CountingClients::wait_for(std::uint64_t count) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::chrono::seconds(30), [&] { return events_ >= count; })) {
    throw std::runtime_error(fmt::format("{} of {} events came", events_, count));
  }
}

void CountingClients::read_all() {
  epoll_event ready[256];
  while (!stopping_) {
    const int n = epoll_wait(epoll_, ready, 256, 100);
    for (int i = 0; i < n; ++i) read_from(ready[i].data.u64);
  }
}

void CountingClients::read_from(std::size_t index) {
  Client& client = clients_[index];
  char buffer[64 * base::kKibibyte];
  const ssize_t n = recv(client.socket, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n <= 0) {
    if (n == 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, client.socket, nullptr);
    return;
  }
  std::uint64_t found = 0;
  for (ssize_t i = 0; i < n; ++i) {
    if (buffer[i] == '\n' && client.last == '\n') ++found;
    client.last = buffer[i];
  }
  const std::lock_guard lock(mutex_);
  events_ += found;
  changed_.notify_one();
}

}  // namespace rivera::bench
