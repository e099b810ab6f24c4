#include "garden/testing/isolated_network.h"

#include <arpa/inet.h>
#include <cstdlib>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include "base/process/subprocess.h"

namespace rivera::garden {

namespace {

base::UniqueFd own_namespace() { return base::UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)); }

[[noreturn]] void fail_in_network(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

IsolatedNetwork::IsolatedNetwork() : home_(own_namespace()) {
  if (::unshare(CLONE_NEWNET) != 0) fail_in_network("new network namespace");
  for (const char* command : {"link set lo up", "link add ext0 type bridge", "addr add 192.0.2.1/24 dev ext0",
                              "link set ext0 up", "route add default dev ext0"}) {
    base::must_run({"sh", "-c", std::string("ip ") + command});
  }
}

IsolatedNetwork::~IsolatedNetwork() {
  if (::setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
}

FrameSocket::FrameSocket(const std::string& pid, const std::string& interface) {
  const base::UniqueFd home = own_namespace();
  const base::UniqueFd there(::open(("/proc/" + pid + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  if (!there || ::setns(there.get(), CLONE_NEWNET) != 0) fail_in_network("enter the network of " + pid);
  socket_.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  const int bound = ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  if (::setns(home.get(), CLONE_NEWNET) != 0) std::abort();
  errno = error;
  if (bound != 0) fail_in_network("listen on " + interface);
}

void FrameSocket::send(const std::string& frame) const {
  if (::send(socket_.get(), frame.data(), frame.size(), 0) < 0) fail_in_network("send a frame");
}

std::string FrameSocket::receive() const {
  pollfd ready{socket_.get(), POLLIN, 0};
  if (::poll(&ready, 1, 1000) <= 0) return "";
  std::string frame(2000, '\0');
  const ssize_t n = ::recv(socket_.get(), frame.data(), frame.size(), 0);
  frame.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return frame;
}

}  // namespace rivera::garden
