#include "garden/firewall/firewall_watch.h"

#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <vector>

#include "garden/firewall/nftables.h"

namespace rivera::garden {

namespace {

// The notifications of a transaction with some ten thousand rules.
constexpr int kBufferSize = 32 << 20;

base::UniqueFd open_news() {
  base::UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  const int group = NFNLGRP_NFTABLES;
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
    throw std::system_error(errno, std::generic_category(), "listen to changes of nftables");
  }
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBufferSize, sizeof kBufferSize);
  return socket;
}

// The attribute's content, without the zero at the end of a text; nothing if there is none.
std::string_view attribute(std::string_view attributes, int type) {
  while (attributes.size() >= NLA_HDRLEN) {
    nlattr header{};
    std::memcpy(&header, attributes.data(), sizeof header);
    if (header.nla_len < NLA_HDRLEN || header.nla_len > attributes.size()) break;
    if ((header.nla_type & NLA_TYPE_MASK) == type) {
      return attributes.substr(NLA_HDRLEN, header.nla_len - std::size_t{NLA_HDRLEN});
    }
    attributes.remove_prefix(std::min<std::size_t>(NLA_ALIGN(header.nla_len), attributes.size()));
  }
  return {};
}

std::string text_of(std::string_view content) { return std::string(content.substr(0, content.find('\0'))); }

}  // namespace

FirewallWatch::FirewallWatch(std::string table)
    : table_(std::move(table)), own_name_(Nftables::thread_name()), socket_(open_news()) {}

std::optional<FirewallWatch::Change> FirewallWatch::read() {
  std::optional<Change> change;
  std::vector<char> buffer(std::size_t{64} * 1024);
  for (;;) {
    const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (n >= 0) {
      take(buffer.data(), static_cast<std::size_t>(n), change);
    } else if (errno == ENOBUFS) {
      is_touched_ = false;
      change = Change{true, 0, ""};
    } else if (errno == EAGAIN) {
      return change;
    } else if (errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "read changes of nftables");
    }
  }
}

void FirewallWatch::take(const char* bytes, std::size_t size, std::optional<Change>& change) {
  // The table's name is the first attribute of each kind of object.
  static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 && NFTA_SET_TABLE == 1 &&
                NFTA_SET_ELEM_LIST_TABLE == 1 && NFTA_OBJ_TABLE == 1 && NFTA_FLOWTABLE_TABLE == 1);
  while (size >= NLMSG_HDRLEN) {
    nlmsghdr header{};
    std::memcpy(&header, bytes, sizeof header);
    constexpr std::size_t kHead = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfgenmsg));
    if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > size) return;
    const std::string_view attributes(bytes + std::min<std::size_t>(kHead, header.nlmsg_len),
                                      header.nlmsg_len - std::min<std::size_t>(kHead, header.nlmsg_len));
    if (header.nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES) {
      if ((header.nlmsg_type & 0xff) == NFT_MSG_NEWGEN) {
        const std::string process = text_of(attribute(attributes, NFTA_GEN_PROC_NAME));
        std::uint32_t pid = 0;
        const auto content = attribute(attributes, NFTA_GEN_PROC_PID);
        if (content.size() == sizeof pid) std::memcpy(&pid, content.data(), sizeof pid);
        if (is_touched_ && process != own_name_) change = Change{change && change->has_lost_news, ntohl(pid), process};
        is_touched_ = false;
      } else if (text_of(attribute(attributes, 1)) == table_) {
        is_touched_ = true;
      }
    }
    const std::size_t step = std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), size);
    bytes += step;
    size -= step;
  }
}

}  // namespace rivera::garden
