#include "garden/network/firewall.h"

#include <algorithm>
#include <stdexcept>

#include <nftables/libnftables.h>

namespace rivera::garden {

namespace api = clients::garden;

namespace {

constexpr std::size_t kLogPrefixLength = 28;

std::string in_table(const FirewallOptions& options, const std::string& verb, const std::string& kind,
                     const std::string& rest) {
  return verb + " " + kind + " ip " + table_name(options) + " " + rest + "\n";
}

std::string chain_of(const ContainerRules& container) { return "instance-" + container.id; }

// Inside double quotes nft's language has no escapes: characters that could end them are left out.
std::string quoted(const std::string& text, std::size_t limit) {
  std::string clean;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (plain && clean.size() < limit) clean.push_back(c);
  }
  return clean;
}

std::string address_match(const api::NetOutRule::IpRange& range) {
  // Parsing rejects anything but an address: the text goes into a command.
  if (!range.start.empty() && !range.end.empty()) {
    const Ipv4 start = parse_ipv4(range.start), end = parse_ipv4(range.end);
    if (start > end) throw api::GardenError("invalid address range: " + range.start + "-" + range.end);
    return start == end ? "ip daddr " + to_text(start) + " " : "ip daddr " + to_text(start) + "-" + to_text(end) + " ";
  }
  const std::string& one = range.start.empty() ? range.end : range.start;
  return one.empty() ? "" : "ip daddr " + to_text(parse_ipv4(one)) + " ";
}

std::string port_match(const std::string& protocol, const api::NetOutRule::PortRange& range) {
  const auto ports = range.start == range.end ? std::to_string(range.start)
                                              : std::to_string(range.start) + "-" + std::to_string(range.end);
  return protocol + " dport " + ports + " ";
}

// 255 stands for any type, with any code; beside a type it stands for any code (§3.6).
std::string icmp_match(const api::NetOutRule& rule) {
  constexpr std::uint8_t kAny = 255;
  if (!rule.icmps || rule.icmps->type == kAny) return "ip protocol icmp ";
  std::string match = "icmp type " + std::to_string(rule.icmps->type) + " ";
  if (rule.icmps->code && *rule.icmps->code != kAny) match += "icmp code " + std::to_string(*rule.icmps->code) + " ";
  return match;
}

// The protocol and port part of each rule that `rule` stands for.
std::vector<std::string> protocol_matches(const api::NetOutRule& rule) {
  switch (rule.protocol) {
    case api::NetOutProtocol::kAll:
      if (!rule.ports.empty()) throw api::GardenError("Ports cannot be specified for Protocol ALL");
      return {""};
    case api::NetOutProtocol::kIcmp:
      if (!rule.ports.empty()) throw api::GardenError("Ports cannot be specified for Protocol ICMP");
      return {icmp_match(rule)};
    case api::NetOutProtocol::kTcp:
    case api::NetOutProtocol::kUdp: {
      const std::string protocol = rule.protocol == api::NetOutProtocol::kTcp ? "tcp" : "udp";
      if (rule.ports.empty()) return {"ip protocol " + protocol + " "};
      std::vector<std::string> matches;
      for (const auto& range : rule.ports) matches.push_back(port_match(protocol, range));
      return matches;
    }
    case api::NetOutProtocol::kIcmpV6:
      break;
  }
  throw api::GardenError("invalid protocol: " + std::to_string(static_cast<int>(rule.protocol)));
}

std::vector<std::string> rule_expressions(const api::NetOutRule& rule, const std::string& handle) {
  std::vector<std::string> networks;
  try {
    for (const auto& range : rule.networks) networks.push_back(address_match(range));
  } catch (const std::invalid_argument& e) {
    throw api::GardenError(e.what());
  }
  if (networks.empty()) networks.emplace_back();
  const std::string log = "ct state new,untracked,invalid log prefix \"" + quoted(handle, kLogPrefixLength) + " \"";
  std::vector<std::string> expressions;
  for (const auto& network : networks) {
    for (const auto& protocol : protocol_matches(rule)) {
      if (rule.log) expressions.push_back(network + protocol + log);
      expressions.push_back(network + protocol + "accept");
    }
  }
  return expressions;
}

// The chain's content: the newest rule first, then what holds for all.
std::string fill_chain(const FirewallOptions& options, const ContainerRules& container) {
  std::string commands;
  const auto add = [&](const std::string& expression) {
    commands += in_table(options, "add", "rule",
                         chain_of(container) + " " + expression + " comment \"" + quoted(container.handle, 100) + "\"");
  };
  for (auto rule = container.net_out.rbegin(); rule != container.net_out.rend(); ++rule) {
    for (const auto& expression : rule_expressions(*rule, container.handle)) add(expression);
  }
  const std::string subnet = container.lease.subnet.text();
  add("ip saddr " + subnet + " ip daddr " + subnet + " accept");
  add("goto default");
  return commands;
}

std::string port_element(const ContainerRules& container, const api::PortMapping& port) {
  return "ports { " + std::to_string(port.host_port) + " : " + to_text(container.lease.address) + " . " +
         std::to_string(port.container_port) + " }";
}

std::string instance_element(const ContainerRules& container) {
  return "instances { \"" + container.bridge + "\" . " + to_text(container.lease.address);
}

}  // namespace

std::string table_name(const FirewallOptions& options) {
  return "rivera_garden" + (options.tag.empty() ? "" : "_" + quoted(options.tag, 2));
}

void check_rule(const api::NetOutRule& rule) { rule_expressions(rule, ""); }

std::string table_commands(const FirewallOptions& options, const std::vector<ContainerRules>& containers) {
  // "add" before "delete", so that the deletion is no error where there is no table.
  const std::string name = table_name(options);
  std::string commands = "add table ip " + name + "\ndelete table ip " + name + "\n";
  commands += "table ip " + name + R"( {
  set bridges { type ifname; }
  set subnets { type ipv4_addr; flags interval; }
  map ports { type inet_service : ipv4_addr . inet_service; }
  map instances { type ifname . ipv4_addr : verdict; }

  # A bridge may carry 127.0.0.0/8 (see the output chain), but no container may send there.
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ip daddr 127.0.0.0/8 drop
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname @bridges jump host
  }
  chain host {
    ct state established,related accept
)";
  for (const auto& server : options.dns_servers)
    commands += "    ip daddr " + to_text(parse_ipv4(server)) + " accept\n";
  commands += options.allow_host_access ? "    accept\n" : "    reject with icmp type host-prohibited\n";
  commands += R"(  }
  chain default {
    ct state established,related accept
)";
  for (const auto& network : options.deny_networks)
    commands += "    ip daddr " + Subnet::parse(network).text() + " reject\n";
  commands += R"(    accept
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname . ip saddr vmap @instances
    iifname @bridges drop
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local dnat ip to tcp dport map @ports
  }
  # The host's own connections to a mapped port, by any address of the host.
  chain output {
    type nat hook output priority -100; policy accept;
    fib daddr type local dnat ip to tcp dport map @ports
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    ip saddr @subnets ip daddr != @subnets masquerade
    ip saddr @subnets oifname @bridges ct status dnat masquerade
  }
}
)";
  for (const auto& container : containers) commands += add_commands(options, container);
  return commands;
}

std::string add_commands(const FirewallOptions& options, const ContainerRules& container) {
  std::string commands;
  commands += in_table(options, "add", "chain", chain_of(container));
  commands += in_table(options, "flush", "chain", chain_of(container));
  commands += fill_chain(options, container);
  commands += in_table(options, "add", "element", "bridges { \"" + container.bridge + "\" }");
  commands += in_table(options, "add", "element", "subnets { " + container.lease.subnet.text() + " }");
  commands +=
      in_table(options, "add", "element", instance_element(container) + " : goto " + chain_of(container) + " }");
  for (const auto& port : container.ports) commands += port_commands(options, container, port);
  return commands;
}

std::string net_out_commands(const FirewallOptions& options, const ContainerRules& container) {
  return in_table(options, "flush", "chain", chain_of(container)) + fill_chain(options, container);
}

std::string port_commands(const FirewallOptions& options, const ContainerRules& container,
                          const api::PortMapping& port) {
  return in_table(options, "add", "element", port_element(container, port));
}

std::string remove_port_commands(const FirewallOptions& options, const ContainerRules& container,
                                 const api::PortMapping& port) {
  return in_table(options, "delete", "element", port_element(container, port));
}

std::string remove_commands(const FirewallOptions& options, const ContainerRules& container, bool bridge_too) {
  std::string commands;
  for (const auto& port : container.ports) commands += remove_port_commands(options, container, port);
  commands += in_table(options, "delete", "element", instance_element(container) + " }");
  if (bridge_too) {
    commands += in_table(options, "delete", "element", "bridges { \"" + container.bridge + "\" }");
    commands += in_table(options, "delete", "element", "subnets { " + container.lease.subnet.text() + " }");
  }
  commands += in_table(options, "flush", "chain", chain_of(container));
  commands += in_table(options, "delete", "chain", chain_of(container));
  return commands;
}

struct Nftables::Context {
  nft_ctx* ctx = nullptr;
};

Nftables::Nftables() : context_(std::make_unique<Context>()) {
  context_->ctx = ::nft_ctx_new(NFT_CTX_DEFAULT);
  if (context_->ctx == nullptr) throw std::runtime_error("cannot open nftables");
  ::nft_ctx_buffer_output(context_->ctx);
  ::nft_ctx_buffer_error(context_->ctx);
}

Nftables::~Nftables() { ::nft_ctx_free(context_->ctx); }

std::string Nftables::run(const std::string& commands) {
  if (::nft_run_cmd_from_buffer(context_->ctx, commands.c_str()) == 0) {
    return ::nft_ctx_get_output_buffer(context_->ctx);
  }
  std::string message = ::nft_ctx_get_error_buffer(context_->ctx);
  std::replace(message.begin(), message.end(), '\n', ' ');
  throw std::runtime_error("nftables: " + message);
}

}  // namespace rivera::garden
