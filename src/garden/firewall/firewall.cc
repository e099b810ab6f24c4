#include "garden/firewall/firewall.h"

#include "garden/firewall/net_out_rules.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

// A command for an object of the table that filters, or of the one that holds containers to their addresses.
std::string in_table(const FirewallOptions& options, const std::string& verb, const std::string& kind,
                     const std::string& rest) {
  return verb + " " + kind + " ip " + table_name(options) + " " + rest + "\n";
}
std::string in_bridge_table(const FirewallOptions& options, const std::string& verb, const std::string& rest) {
  return verb + " element bridge " + table_name(options) + " " + rest + "\n";
}

std::string chain_of(const ContainerRules& container) { return "instance-" + container.id; }
std::string rule_chain_of(const ContainerRules& container) { return "rules-" + container.id; }

std::string comment(const ContainerRules& container) { return " comment \"" + quotable(container.handle, 100) + "\""; }

std::string port_element(const MappedPort& port) {
  return "ports { " + std::to_string(port.host_port) + " : " + to_text(port.address) + " . " +
         std::to_string(port.container_port) + " }";
}
std::string host_port_element(const MappedPort& port) {
  return "host_ports { " + std::to_string(port.host_port) + " }";
}

std::string instance_element(const ContainerRules& container) {
  return "instances { \"" + container.bridge + "\" . " + to_text(container.lease.address);
}
std::string host_end_element(const ContainerRules& container) {
  return "host_ends { \"" + container.host_interface + "\" }";
}
std::string sender_element(const ContainerRules& container) {
  return "senders { \"" + container.host_interface + "\" . " + container.mac + " . " +
         to_text(container.lease.address) + " }";
}

// Containers that have no chains yet go the way of a packet that matches none: nothing passes.
std::string filter_table(const FirewallOptions& options) {
  std::string text = "table ip " + table_name(options) + R"( {
  set bridges { type ifname; }
  set addresses { type ipv4_addr; }
  set host_ports { type inet_service; }
  map ports { type inet_service : ipv4_addr . inet_service; }
  map instances { type ifname . ipv4_addr : verdict; }
  set connections { type ipv4_addr; flags dynamic; size 65535; }

  # A bridge may carry 127.0.0.0/8 (see the output chain), but no container may send there.
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ip daddr 127.0.0.0/8 drop
  }
  # The host's talk to itself takes no place in the table of connections, unless it is to a mapped port.
  chain loopback {
    type filter hook output priority raw; policy accept;
    ip saddr 127.0.0.0/8 ip daddr 127.0.0.0/8 ip protocol != tcp notrack
    ip saddr 127.0.0.0/8 ip daddr 127.0.0.0/8 tcp dport != @host_ports tcp sport != @host_ports notrack
  }
  # One container cannot fill the table of connections.
  chain connections {
    type filter hook prerouting priority mangle; policy accept;
)";
  if (options.connection_limit > 0) {
    text += "    iifname @bridges ct state new add @connections { ip saddr ct count over " +
            std::to_string(options.connection_limit) + " } drop\n";
  }
  text += R"(  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname @bridges jump host
  }
  chain host {
    ct state established,related accept
)";
  for (const auto& server : options.dns_servers) text += "    ip daddr " + to_text(parse_ipv4(server)) + " accept\n";
  text += options.allow_host_access ? "    accept\n" : "    reject with icmp type host-prohibited\n";
  text += R"(  }
  chain default {
    ct state established,related accept
)";
  for (const auto& network : options.deny_networks)
    text += "    ip daddr " + Subnet::parse(network).text() + " reject\n";
  text += R"(    accept
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
    ip saddr @addresses ip daddr != @addresses masquerade
    ip saddr @addresses oifname @bridges ct status dnat masquerade
  }
}
)";
  return text;
}

// Before the bridge learns from a frame or passes it on: a container sends IPv4 and ARP only, with its own addresses.
// So none can answer for another or for the gateway, take over another's traffic, or advertise IPv6 routes.
std::string bridge_table(const FirewallOptions& options) {
  return "table bridge " + table_name(options) + R"( {
  set host_ends { type ifname; }
  set senders { type ifname . ether_addr . ipv4_addr; }
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    iifname @host_ends jump containers
  }
  chain containers {
    ether type ip iifname . ether saddr . ip saddr @senders accept
    ether type arp iifname . ether saddr . arp saddr ip @senders iifname . arp saddr ether . arp saddr ip @senders accept
    drop
  }
}
)";
}

}  // namespace

std::string table_name(const FirewallOptions& options) {
  return "rivera_garden" + (options.tag.empty() ? "" : "_" + quotable(options.tag, 2));
}

std::string remove_table_commands(const FirewallOptions& options) {
  std::string commands;
  for (const char* family : {"ip", "bridge"}) {
    // "add" before "delete", so that the deletion is no error where there is no table.
    for (const char* verb : {"add", "delete"}) {
      commands.append(verb).append(" table ").append(family).append(" ").append(table_name(options)).append("\n");
    }
  }
  return commands;
}

std::string table_commands(const FirewallOptions& options, const std::vector<ContainerRules>& containers,
                           const std::vector<MappedPort>& ports) {
  std::string commands = remove_table_commands(options) + filter_table(options) + bridge_table(options);
  for (const auto& container : containers) commands += add_commands(options, container);
  for (const auto& port : ports) commands += port_commands(options, port);
  return commands;
}

// Packets of connections that are established leave the chain at its first rule, however many rules there are.
std::string add_commands(const FirewallOptions& options, const ContainerRules& container) {
  const std::string chain = chain_of(container), rules = rule_chain_of(container);
  const std::string subnet = container.lease.subnet.text();
  std::string commands;
  for (const auto& name : {chain, rules}) {
    commands += in_table(options, "add", "chain", name);
    commands += in_table(options, "flush", "chain", name);
  }
  const auto add = [&](const std::string& expression) {
    commands += in_table(options, "add", "rule", chain + " " + expression + comment(container));
  };
  add("ct state established,related accept");
  add("jump " + rules);
  add("ip saddr " + subnet + " ip daddr " + subnet + " accept");
  add("goto default");
  commands += net_out_commands(options, container, container.net_out);
  commands += in_table(options, "add", "element", "bridges { \"" + container.bridge + "\" }");
  commands += in_table(options, "add", "element", "addresses { " + to_text(container.lease.address) + " }");
  commands += in_table(options, "add", "element", instance_element(container) + " : goto " + chain + " }");
  if (container.mac.empty()) return commands;
  commands += in_bridge_table(options, "add", host_end_element(container));
  commands += in_bridge_table(options, "add", sender_element(container));
  return commands;
}

std::string remove_commands(const FirewallOptions& options, const ContainerRules& container, bool bridge_too) {
  std::string commands;
  commands += in_table(options, "delete", "element", instance_element(container) + " }");
  commands += in_table(options, "delete", "element", "addresses { " + to_text(container.lease.address) + " }");
  if (bridge_too) commands += in_table(options, "delete", "element", "bridges { \"" + container.bridge + "\" }");
  // The first refers to the second.
  for (const auto& chain : {chain_of(container), rule_chain_of(container)}) {
    commands += in_table(options, "flush", "chain", chain);
    commands += in_table(options, "delete", "chain", chain);
  }
  if (container.mac.empty()) return commands;
  commands += in_bridge_table(options, "delete", host_end_element(container));
  commands += in_bridge_table(options, "delete", sender_element(container));
  return commands;
}

std::string net_out_commands(const FirewallOptions& options, const ContainerRules& container,
                             const std::vector<api::NetOutRule>& rules) {
  std::string commands;
  for (const auto& rule : rules) {
    // What was inserted last is looked at first; within a rule, the log before what it belongs to.
    const auto expressions = net_out_expressions(rule, container.handle);
    for (auto one = expressions.rbegin(); one != expressions.rend(); ++one) {
      commands += in_table(options, "insert", "rule", rule_chain_of(container) + " " + *one + comment(container));
    }
  }
  return commands;
}

std::string port_commands(const FirewallOptions& options, const MappedPort& port) {
  return in_table(options, "add", "element", port_element(port)) +
         in_table(options, "add", "element", host_port_element(port));
}

std::string remove_port_commands(const FirewallOptions& options, const MappedPort& port) {
  return in_table(options, "delete", "element", port_element(port)) +
         in_table(options, "delete", "element", host_port_element(port));
}

}  // namespace rivera::garden
