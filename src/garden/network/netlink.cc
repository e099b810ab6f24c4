#include "garden/network/netlink.h"

#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <random>
#include <sched.h>
#include <sstream>
#include <stdexcept>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace rivera::garden {

namespace {

[[noreturn]] void fail(const std::string& what, int error = errno) {
  throw std::system_error(error, std::generic_category(), what);
}

base::UniqueFd open_socket() {
  base::UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) fail("netlink socket");
  const timeval limit{30, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return socket;
}

std::array<unsigned char, 6> random_mac() {
  std::random_device random;
  std::array<unsigned char, 6> mac{};
  for (auto& byte : mac) byte = static_cast<unsigned char>(random());
  mac[0] = static_cast<unsigned char>((mac[0] & 0xfe) | 0x02);  // unicast, locally administered
  return mac;
}

}  // namespace

// A request being built: header, fixed part, attributes.
class Netlink::Message {
 public:
  template <typename Fixed>
  Message(int type, int flags, const Fixed& fixed) {
    nlmsghdr header{};
    header.nlmsg_type = static_cast<std::uint16_t>(type);
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    put_raw(&header, sizeof header);
    put_raw(&fixed, sizeof fixed);
  }
  void put(int type, const void* data, std::size_t size) {
    begin(type);
    put_raw(data, size);
    end();
  }
  void put(int type, const std::string& text) { put(type, text.c_str(), text.size() + 1); }
  void put(int type, std::uint32_t value) { put(type, &value, sizeof value); }
  void begin(int type) {
    open_.push_back(bytes_.size());
    nlattr attribute{};
    attribute.nla_type = static_cast<std::uint16_t>(type);
    put_raw(&attribute, sizeof attribute);
  }
  void end() {
    auto* attribute = reinterpret_cast<nlattr*>(bytes_.data() + open_.back());
    attribute->nla_len = static_cast<std::uint16_t>(bytes_.size() - open_.back());
    open_.pop_back();
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  }
  template <typename Fixed>
  void put_fixed(const Fixed& fixed) {
    put_raw(&fixed, sizeof fixed);
  }
  const std::vector<char>& finish(std::uint32_t sequence) {
    auto* header = reinterpret_cast<nlmsghdr*>(bytes_.data());
    header->nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
    header->nlmsg_seq = sequence;
    return bytes_;
  }

 private:
  void put_raw(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const char*>(data);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
    if (open_.empty()) bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  }
  std::vector<char> bytes_;
  std::vector<std::size_t> open_;
};

Ipv4 parse_ipv4(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) throw std::invalid_argument("invalid IPv4 address: " + text);
  return ntohl(address.s_addr);
}

std::string to_text(Ipv4 address) {
  const in_addr raw{htonl(address)};
  char text[INET_ADDRSTRLEN];
  return ::inet_ntop(AF_INET, &raw, text, sizeof text);
}

Netlink::Netlink() : socket_(open_socket()) {}

Netlink Netlink::in_namespace_of(int pidfd) {
  const base::UniqueFd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home) fail("open own network namespace");
  if (::setns(pidfd, CLONE_NEWNET) != 0) fail("enter network namespace");
  base::UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  const int error = errno;
  // A thread that cannot return would do the host's work in a container.
  if (::setns(home.get(), CLONE_NEWNET) != 0) std::abort();
  if (!socket) fail("netlink socket", error);
  const timeval limit{30, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return Netlink(std::move(socket));
}

void Netlink::request(Message& message, const std::string& what, int accepted_error) {
  const auto& bytes = message.finish(++sequence_);
  if (::send(socket_.get(), bytes.data(), bytes.size(), 0) < 0) fail(what);
  alignas(nlmsghdr) char buffer[16 * 1024];
  while (true) {
    const ssize_t n = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(what);
    auto left = static_cast<unsigned>(n);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_seq != sequence_ || header->nlmsg_type != NLMSG_ERROR) continue;
      const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
      if (error != 0 && error != accepted_error) fail(what, error);
      return;
    }
  }
}

// Asked of the kernel through the socket's own namespace, not the thread's.
int Netlink::index_of(const std::string& name) {
  ifinfomsg info{};
  Message message(RTM_GETLINK, 0, info);
  message.put(IFLA_IFNAME, name);
  const auto& bytes = message.finish(++sequence_);
  if (::send(socket_.get(), bytes.data(), bytes.size(), 0) < 0) fail("look up " + name);
  int index = 0;
  alignas(nlmsghdr) char buffer[32 * 1024];
  while (true) {
    const ssize_t n = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("look up " + name);
    auto left = static_cast<unsigned>(n);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_seq != sequence_) continue;
      if (header->nlmsg_type == RTM_NEWLINK) index = static_cast<const ifinfomsg*>(NLMSG_DATA(header))->ifi_index;
      if (header->nlmsg_type == NLMSG_ERROR) return index;  // the acknowledgement, or that there is none
    }
  }
}

// Both ask what belongs to the process's network namespace: /sys shows the namespace it was mounted in.
InterfaceStatistics statistics_of_host_end(const std::string& name) {
  std::ifstream file("/proc/net/dev");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    const auto begin = line.find_first_not_of(' ');
    if (colon == std::string::npos || line.compare(begin, colon - begin, name) != 0) continue;
    std::istringstream fields(line.substr(colon + 1));
    std::uint64_t received = 0, sent = 0, other = 0;
    fields >> received;
    for (int i = 0; i < 7; ++i) fields >> other;
    fields >> sent;
    return {sent, received};
  }
  return {};
}

std::vector<std::string> interface_names() {
  std::vector<std::string> names;
  struct if_nameindex* list = ::if_nameindex();
  if (list == nullptr) fail("list interfaces");
  for (const struct if_nameindex* at = list; at->if_index != 0; ++at) names.emplace_back(at->if_name);
  ::if_freenameindex(list);
  return names;
}

bool Netlink::exists(const std::string& name) { return index_of(name) != 0; }

void Netlink::create_bridge(const std::string& name) {
  const auto mac = random_mac();  // given, so that it does not change with the ports
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  message.put(IFLA_IFNAME, name);
  message.put(IFLA_ADDRESS, mac.data(), mac.size());
  message.begin(IFLA_LINKINFO);
  message.put(IFLA_INFO_KIND, std::string("bridge"));
  message.begin(IFLA_INFO_DATA);
  const std::uint8_t off = 0;
  message.put(IFLA_BR_MCAST_SNOOPING, &off, sizeof off);
  message.end();
  message.end();
  request(message, "create bridge " + name, EEXIST);
}

void Netlink::create_veth(const std::string& name, const std::string& peer, int namespace_fd) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  message.put(IFLA_IFNAME, name);
  message.put(IFLA_TXQLEN, 1);
  message.begin(IFLA_LINKINFO);
  message.put(IFLA_INFO_KIND, std::string("veth"));
  message.begin(IFLA_INFO_DATA);
  message.begin(VETH_INFO_PEER);
  message.put_fixed(ifinfomsg{});
  message.put(IFLA_IFNAME, peer);
  message.put(IFLA_TXQLEN, 1);
  message.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(namespace_fd));
  message.end();
  message.end();
  message.end();
  request(message, "create veth " + name);
}

void Netlink::set_master(const std::string& name, const std::string& bridge) {
  ifinfomsg info{};
  info.ifi_index = index_of(name);
  Message message(RTM_SETLINK, 0, info);
  message.put(IFLA_MASTER, static_cast<std::uint32_t>(index_of(bridge)));
  request(message, "attach " + name + " to " + bridge);
}

void Netlink::set_hairpin(const std::string& port) {
  ifinfomsg info{};
  info.ifi_family = AF_BRIDGE;
  info.ifi_index = index_of(port);
  Message message(RTM_SETLINK, 0, info);
  message.begin(IFLA_PROTINFO | NLA_F_NESTED);
  const std::uint8_t on = 1;
  message.put(IFLA_BRPORT_MODE, &on, sizeof on);
  message.end();
  request(message, "set hairpin mode of " + port);
}

void Netlink::set_up(const std::string& name, std::uint32_t mtu) {
  ifinfomsg info{};
  info.ifi_index = index_of(name);
  info.ifi_flags = info.ifi_change = IFF_UP;
  if (info.ifi_index == 0) fail("set up " + name, ENODEV);
  Message message(RTM_NEWLINK, 0, info);
  if (mtu != 0) message.put(IFLA_MTU, mtu);
  request(message, "set up " + name);
}

void Netlink::add_address(const std::string& name, Ipv4 address, int prefix) {
  ifaddrmsg info{};
  info.ifa_family = AF_INET;
  info.ifa_prefixlen = static_cast<std::uint8_t>(prefix);
  info.ifa_index = static_cast<std::uint32_t>(index_of(name));
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, info);
  message.put(IFA_LOCAL, htonl(address));
  message.put(IFA_ADDRESS, htonl(address));
  const std::uint32_t host_bits = prefix >= 32 ? 0 : (0xffffffffu >> prefix);
  message.put(IFA_BROADCAST, htonl(address | host_bits));
  request(message, "add address to " + name, EEXIST);
}

void Netlink::add_default_route(Ipv4 gateway) {
  rtmsg info{};
  info.rtm_family = AF_INET;
  info.rtm_table = RT_TABLE_MAIN;
  info.rtm_protocol = RTPROT_BOOT;
  info.rtm_scope = RT_SCOPE_UNIVERSE;
  info.rtm_type = RTN_UNICAST;
  Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, info);
  message.put(RTA_GATEWAY, htonl(gateway));
  request(message, "add default route");
}

void Netlink::delete_link(const std::string& name) {
  ifinfomsg info{};
  info.ifi_index = index_of(name);
  if (info.ifi_index == 0) return;
  Message message(RTM_DELLINK, 0, info);
  request(message, "delete " + name, ENODEV);
}

}  // namespace rivera::garden
