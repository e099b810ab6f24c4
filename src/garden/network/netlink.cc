#include "garden/network/netlink.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <random>
#include <sched.h>
#include <stdexcept>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "base/on_exit.h"
#include "base/units.h"

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

// Calls `take(type, content, size)` with each attribute behind the fixed part of a message.
template <typename Fixed, typename Take>
void for_each_attribute(const nlmsghdr& header, const Take& take) {
  const char* at = reinterpret_cast<const char*>(&header) + NLMSG_LENGTH(0) + NLMSG_ALIGN(sizeof(Fixed));
  const char* const end = reinterpret_cast<const char*>(&header) + header.nlmsg_len;
  while (at + sizeof(rtattr) <= end) {
    const auto* attribute = reinterpret_cast<const rtattr*>(at);
    if (attribute->rta_len < sizeof(rtattr) || attribute->rta_len > end - at) return;
    take(attribute->rta_type & NLA_TYPE_MASK, at + RTA_LENGTH(0), attribute->rta_len - RTA_LENGTH(0));
    at += RTA_ALIGN(attribute->rta_len);
  }
}

template <typename Number>
Number number_of(const char* content, std::size_t size) {
  Number number{};  // kernels of other versions give more or less of what grows
  std::memcpy(&number, content, std::min(size, sizeof number));
  return number;
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

Netlink::Netlink() : socket_(open_socket()) {}

void run_in_namespace_of(int fd, const std::function<void()>& work) {
  const base::UniqueFd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home) fail("open own network namespace");
  if (::setns(fd, CLONE_NEWNET) != 0) fail("enter network namespace");
  // A thread that cannot return would do the host's work in a container.
  const base::OnExit return_home([&home] {
    if (::setns(home.get(), CLONE_NEWNET) != 0) std::abort();
  });
  work();
}

Netlink Netlink::in_namespace_of(int fd) {
  base::UniqueFd socket;
  run_in_namespace_of(fd, [&socket] {
    socket.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket) fail("netlink socket");
  });
  const timeval limit{30, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return Netlink(std::move(socket));
}

void Netlink::exchange(Message& message, const std::string& what, const std::function<bool(const nlmsghdr&)>& is_last) {
  const auto& bytes = message.finish(++sequence_);
  if (::send(socket_.get(), bytes.data(), bytes.size(), 0) < 0) fail(what);
  alignas(nlmsghdr) char buffer[64 * base::kKibibyte];
  while (true) {
    const ssize_t n = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(what);
    auto left = static_cast<unsigned>(n);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_seq == sequence_ && is_last(*header)) return;
    }
  }
}

void Netlink::request(Message& message, const std::string& what, int accepted_error) {
  exchange(message, what, [&](const nlmsghdr& header) {
    if (header.nlmsg_type != NLMSG_ERROR) return false;
    const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(&header))->error;
    if (error != 0 && error != accepted_error) fail(what, error);
    return true;
  });
}

void Netlink::look_up(const std::string& name, std::uint32_t filter, const std::function<void(const nlmsghdr&)>& take) {
  Message message(RTM_GETLINK, 0, ifinfomsg{});
  message.put(IFLA_IFNAME, name);
  message.put(IFLA_EXT_MASK, filter);
  exchange(message, "look up " + name, [&](const nlmsghdr& header) {
    if (header.nlmsg_type == RTM_NEWLINK) take(header);
    return header.nlmsg_type == NLMSG_ERROR;  // the acknowledgement, or that there is none
  });
}

// Asked of the kernel through the socket's own namespace, not the thread's.
int Netlink::index_of(const std::string& name) {
  int index = 0;
  look_up(name, RTEXT_FILTER_SKIP_STATS,
          [&index](const nlmsghdr& header) { index = static_cast<const ifinfomsg*>(NLMSG_DATA(&header))->ifi_index; });
  return index;
}

std::optional<Netlink::Traffic> Netlink::traffic(const std::string& name) {
  std::optional<Traffic> traffic;
  look_up(name, 0, [&traffic](const nlmsghdr& header) {
    for_each_attribute<ifinfomsg>(header, [&traffic](int type, const char* content, std::size_t size) {
      if (type != IFLA_STATS64) return;
      const auto statistics = number_of<rtnl_link_stats64>(content, size);
      traffic = Traffic{statistics.rx_bytes, statistics.tx_bytes};
    });
  });
  return traffic;
}

InterfaceStatistics statistics_of_host_end(const std::string& name) {
  const auto traffic = Netlink().traffic(name);
  return traffic ? InterfaceStatistics{traffic->sent, traffic->received} : InterfaceStatistics{};
}

std::optional<InterfaceStatistics> statistics_in_namespace_of(int pidfd, const std::string& name) {
  const auto traffic = Netlink::in_namespace_of(pidfd).traffic(name);
  if (!traffic) return std::nullopt;
  return InterfaceStatistics{traffic->received, traffic->sent};
}

// The answer comes in parts. If a change came between two of them, something may be missing: then the kernel marks it,
// and is asked again.
void Netlink::dump(Message& message, const std::string& what, const std::function<void(const nlmsghdr&)>& take) {
  constexpr int kMostAttempts = 10;
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    bool is_complete = true;
    std::vector<std::string> parts;
    exchange(message, what, [&](const nlmsghdr& header) {
      if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) is_complete = false;
      if (header.nlmsg_type == NLMSG_DONE) return true;
      if (header.nlmsg_type == NLMSG_ERROR) fail(what, -static_cast<const nlmsgerr*>(NLMSG_DATA(&header))->error);
      parts.emplace_back(reinterpret_cast<const char*>(&header), header.nlmsg_len);
      return false;
    });
    if (!is_complete) continue;
    for (const auto& part : parts) take(*reinterpret_cast<const nlmsghdr*>(part.data()));
    return;
  }
  fail(what, EAGAIN);
}

std::vector<Netlink::Link> Netlink::links() {
  std::vector<Link> links;
  Message message(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
  message.put(IFLA_EXT_MASK, static_cast<std::uint32_t>(RTEXT_FILTER_SKIP_STATS));
  dump(message, "list interfaces", [&links](const nlmsghdr& header) {
    if (header.nlmsg_type != RTM_NEWLINK) return;
    const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(&header));
    Link link;
    link.index = info->ifi_index;
    link.is_up = (info->ifi_flags & IFF_UP) != 0;
    for_each_attribute<ifinfomsg>(header, [&link](int type, const char* content, std::size_t size) {
      if (type == IFLA_IFNAME) link.name.assign(content, ::strnlen(content, size));
      if (type == IFLA_MASTER) link.master = number_of<int>(content, size);
      if (type == IFLA_ADDRESS) link.mac = number_of<MacAddress>(content, size);
    });
    links.push_back(std::move(link));
  });
  return links;
}

std::vector<Netlink::Address> Netlink::addresses() {
  std::vector<Address> addresses;
  ifaddrmsg wanted{};
  wanted.ifa_family = AF_INET;
  Message message(RTM_GETADDR, NLM_F_DUMP, wanted);
  dump(message, "list addresses", [&addresses](const nlmsghdr& header) {
    if (header.nlmsg_type != RTM_NEWADDR) return;
    const auto* info = static_cast<const ifaddrmsg*>(NLMSG_DATA(&header));
    Address address;
    address.link = static_cast<int>(info->ifa_index);
    address.prefix = info->ifa_prefixlen;
    for_each_attribute<ifaddrmsg>(header, [&address](int type, const char* content, std::size_t size) {
      if (type == IFA_LOCAL) address.address = ntohl(number_of<Ipv4>(content, size));
    });
    addresses.push_back(address);
  });
  return addresses;
}

void Netlink::create_bridge(const std::string& name, const MacAddress& mac) {
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

void Netlink::create_veth(const std::string& name, const std::string& peer, const MacAddress& mac, int namespace_fd) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  message.put(IFLA_IFNAME, name);
  message.put(IFLA_TXQLEN, 1);
  message.begin(IFLA_LINKINFO);
  message.put(IFLA_INFO_KIND, std::string("veth"));
  message.begin(IFLA_INFO_DATA);
  message.begin(VETH_INFO_PEER);
  message.put_fixed(ifinfomsg{});
  message.put(IFLA_IFNAME, peer);
  message.put(IFLA_ADDRESS, mac.data(), mac.size());
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

void Netlink::dedicate_port(const std::string& port, const MacAddress& mac) {
  ifinfomsg info{};
  info.ifi_family = AF_BRIDGE;
  info.ifi_index = index_of(port);
  Message message(RTM_SETLINK, 0, info);
  message.begin(IFLA_PROTINFO | NLA_F_NESTED);
  const std::uint8_t on = 1, off = 0;
  message.put(IFLA_BRPORT_MODE, &on, sizeof on);
  message.put(IFLA_BRPORT_LEARNING, &off, sizeof off);
  message.put(IFLA_BRPORT_UNICAST_FLOOD, &off, sizeof off);
  message.end();
  request(message, "set up the bridge port " + port);
  ndmsg entry{};
  entry.ndm_family = AF_BRIDGE;
  entry.ndm_ifindex = info.ifi_index;
  entry.ndm_state = NUD_NOARP;  // static: it does not age
  entry.ndm_flags = NTF_MASTER;
  Message address(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, entry);
  address.put(NDA_LLADDR, mac.data(), mac.size());
  request(address, "set the address behind the bridge port " + port);
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

// By a group number that no other interface has.
void Netlink::delete_links(const std::vector<std::string>& names) {
  std::random_device random;
  const std::uint32_t group = random() | 0x80000000;
  bool is_any = false;
  for (const auto& name : names) {
    ifinfomsg info{};
    info.ifi_index = index_of(name);
    if (info.ifi_index == 0) continue;
    Message message(RTM_SETLINK, 0, info);
    message.put(IFLA_GROUP, group);
    request(message, "mark " + name + " for deletion", ENODEV);
    is_any = true;
  }
  if (!is_any) return;
  Message message(RTM_DELLINK, 0, ifinfomsg{});
  message.put(IFLA_GROUP, group);
  request(message, "delete interfaces", ENODEV);
}

bool interface_exists(const std::string& name) { return ::if_nametoindex(name.c_str()) != 0; }

}  // namespace rivera::garden
