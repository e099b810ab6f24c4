// The content of a container's /etc/hosts and /etc/resolv.conf (docs/spec/garden.md §3.7). Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "garden/firewall/address.h"
#include "garden/host/options.h"

namespace rivera::garden {

// `entries`: further lines.
std::string hosts_file(const std::string& handle, const std::string& address, const std::vector<std::string>& entries);

// What the host resolves names with.
struct HostResolver {
  std::string resolv_conf;
  // systemd-resolved's list of the servers that it asks itself. It takes the place of a resolv.conf that names nothing
  // but its stub, 127.0.0.53, which no container can reach.
  std::string upstream_resolv_conf;
};

// What a network plugin said; absent and empty differ.
struct PluginResolver {
  std::optional<std::vector<std::string>> servers, search_domains;
};

struct ResolvConf {
  std::string text;
  std::string problem;  // why containers will resolve no names; "" if they may
};

// `local`: what stands in for a server on the host's loopback if that is all the host's file says: the host's address
// in the container's subnet, or with a plugin the container's own.
ResolvConf resolv_conf_file(const Options& options, const HostResolver& host, const std::string& local,
                            const PluginResolver& plugin = {});

}  // namespace rivera::garden
