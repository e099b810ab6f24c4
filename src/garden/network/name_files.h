// The content of a container's /etc/hosts and /etc/resolv.conf (docs/spec/garden.md §3.7). Pure.
#pragma once

#include <string>

#include "garden/host/options.h"
#include "garden/network/netlink.h"

namespace rivera::garden {

std::string hosts_file(const Options& options, const std::string& handle, Ipv4 address);
// `bridge`: the host's address in the container's subnet.
std::string resolv_conf_file(const Options& options, const std::string& host_resolv_conf, Ipv4 bridge);

}  // namespace rivera::garden
