// What this machine allows: ids, capabilities, cgroup layout, limits. Every function blocks.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace rivera::garden {

struct Host {
  // Reads /proc and /sys. Throws std::runtime_error where there is no usable cgroup hierarchy.
  static Host probe();

  std::uint32_t largest_id = 0;          // docs/spec/garden.md §2.4 "maximus"
  std::uint64_t capabilities = 0;        // that we may give to containers, one bit each
  bool is_spared_by_oom_killer = false;  // our oom_score_adj is negative; processes would inherit it
  bool has_unified_cgroups = false;
  bool has_swap_limit = false;
  bool has_ipv6 = false;
  std::uint64_t memory_bytes = 0;
  unsigned processors = 1;
  std::map<std::string, std::string> sysctls;  // "net.ipv4.tcp_retries1" and so on: the host's values
  std::string external_interface;              // of the default route; "" if there is none
  std::string external_ip;                     // its address, else the first that is not loopback, else 127.0.0.1
};

// The highest inside id over the lines of a uid_map. Pure.
std::uint32_t largest_mapped_id(const std::string& uid_map);

// The names ("CAP_CHOWN") of the capabilities in `mask`, lowest bit first.
std::vector<std::string> capability_names(std::uint64_t mask);

// The address of an interface with that IPv4 address, and its MTU. Throws std::runtime_error("no interface found for
// address A").
std::uint32_t mtu_of_address(const std::string& ip);

// A process's start time in clock ticks since boot, 0 if there is no such process. The number and the start time
// together name one process until the next boot.
std::uint64_t process_start_time(pid_t pid);

// Changes with each boot.
std::string boot_id();

}  // namespace rivera::garden
