#include "net/testing/stopped_server.h"

#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>
#include <system_error>

namespace rivera::net {

StoppedServer::StoppedServer(const std::string& ipv4_address, std::uint16_t port)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_port = htons(port);
  ::inet_pton(AF_INET, ipv4_address.c_str(), &here.sin_addr);
  socklen_t size = sizeof here;
  const int reuse = 1;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&here), size) != 0 || ::listen(socket_.get(), 64) != 0 ||
      ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&here), &size) != 0) {
    throw std::system_error(errno, std::generic_category(), "listening on " + ipv4_address);
  }
  port_ = ntohs(here.sin_port);
}

}  // namespace rivera::net
