#include "net/testing/nats_test_server.h"

#include <arpa/inet.h>
#include <chrono>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

namespace rivera::net {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

std::uint16_t free_port() {
  const base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::runtime_error("no free port");
  }
  return ntohs(address.sin_port);
}

bool accepts(std::uint16_t port) {
  const base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

std::string server_program() {
  for (const char* path : {"/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  throw std::runtime_error("nats-server is not installed");
}

}  // namespace

NatsTestServer::NatsTestServer(std::string configuration)
    : directory_("rivera-nats-"), configuration_(std::move(configuration)) {
  // Another process may take the port before the server does: then try the next.
  for (int attempt = 0;; ++attempt) {
    port_ = free_port();
    try {
      start();
      return;
    } catch (const std::runtime_error&) {
      if (attempt == 3) throw;
    }
  }
}

NatsTestServer::~NatsTestServer() { stop(); }

std::string NatsTestServer::address() const { return fmt::format("127.0.0.1:{}", port_); }

void NatsTestServer::start() {
  const auto file = directory_.path() / "nats.conf";
  base::write_file_atomically(file, fmt::format("host: \"127.0.0.1\"\nport: {}\n{}\n", port_, configuration_));
  const auto log = directory_.path() / "log";
  process_ = base::start_logged({server_program(), "-c", file.string()}, log);
  for (int i = 0; i < 2000; ++i) {
    if (process_->try_wait()) {
      process_.reset();
      throw std::runtime_error("nats-server ended: " + base::read_file(log));
    }
    if (accepts(port_)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  stop();
  throw std::runtime_error("nats-server does not listen");
}

void NatsTestServer::stop() { process_.reset(); }

}  // namespace rivera::net
