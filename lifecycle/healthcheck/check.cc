#include "healthcheck/check.h"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <ifaddrs.h>
#include <memory>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

namespace healthcheck {

std::optional<std::string> own_address(Result& result) {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) {
    result = {kNoInterfaces, "Failed to get interfaces: " + lower_case_error(errno)};
    return std::nullopt;
  }
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> interfaces(first, ::freeifaddrs);
  for (const ifaddrs* it = first; it != nullptr; it = it->ifa_next) {
    if (it->ifa_addr == nullptr || it->ifa_addr->sa_family != AF_INET || (it->ifa_flags & IFF_LOOPBACK) != 0) continue;
    sockaddr_in address{};
    std::memcpy(&address, it->ifa_addr, sizeof address);
    char text[INET_ADDRSTRLEN] = {};
    ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
    return text;
  }
  result = {kNoSuitableInterface, "failure to find suitable interface"};
  return std::nullopt;
}

Connection::Connection(const std::string& address, int port, Clock::time_point deadline) : deadline_(deadline) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1) {
    error_ = EHOSTUNREACH;
    return;
  }
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) {
    error_ = errno;
    return;
  }
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return;
  if (errno != EINPROGRESS) {
    error_ = errno;
    return;
  }
  if (!wait(POLLOUT)) return;
  socklen_t length = sizeof error_;
  ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error_, &length);
}

Connection::~Connection() {
  if (fd_ >= 0) ::close(fd_);
}

bool Connection::wait(short events) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    pollfd polled{fd_, events, 0};
    const int ready = left <= 0 ? 0 : ::poll(&polled, 1, static_cast<int>(std::min<std::int64_t>(left, 1 << 30)));
    if (ready > 0) return true;
    if (ready < 0 && errno == EINTR) continue;
    error_ = ready == 0 ? ETIMEDOUT : errno;
    return false;
  }
}

bool Connection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!wait(POLLOUT)) return false;
    const auto count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
      error_ = errno;
      return false;
    }
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::string Connection::read() {
  std::string bytes(16 << 10, '\0');
  for (;;) {
    if (!wait(POLLIN)) return {};
    const auto count = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) error_ = errno;
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return bytes;
  }
}

std::optional<int> port_number(const std::string& text) {
  int port = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (ec != std::errc() || end != text.data() + text.size() || port < 0 || port > 65535) return std::nullopt;
  return port;
}

std::string lower_case_error(int error) {
  std::string text = std::strerror(error);
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

Result check_tcp(const Options& options, const std::string& address) {
  const auto where = address + ":" + options.port;
  const auto port = port_number(options.port);
  if (!port) {
    return {kTcpFailed, fmt::format("failed to make TCP connection to {}: dial {}: address {}: invalid port", where,
                                    options.network, options.port)};
  }
  const Connection connection(address, *port, Clock::now() + options.timeout);
  if (connection.error() == 0) return {};
  if (connection.error() == ETIMEDOUT) {
    const auto seconds = std::chrono::duration<double>(options.timeout).count();
    return {kTcpTimeout,
            fmt::format("failed to make TCP connection to {}: timed out after {:.2f} seconds", where, seconds)};
  }
  return {kTcpFailed, fmt::format("failed to make TCP connection to {}: dial {} {}: connect: {}", where,
                                  options.network, where, lower_case_error(connection.error()))};
}

}  // namespace healthcheck
