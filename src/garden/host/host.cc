#include "garden/host/host.h"

#include <algorithm>
#include <arpa/inet.h>
#include <fstream>
#include <ifaddrs.h>
#include <net/if.h>
#include <sstream>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <thread>
#include <unistd.h>

#include "base/files.h"

namespace rivera::garden {

namespace {

constexpr const char* kCapabilities[] = {"CHOWN",
                                         "DAC_OVERRIDE",
                                         "DAC_READ_SEARCH",
                                         "FOWNER",
                                         "FSETID",
                                         "KILL",
                                         "SETGID",
                                         "SETUID",
                                         "SETPCAP",
                                         "LINUX_IMMUTABLE",
                                         "NET_BIND_SERVICE",
                                         "NET_BROADCAST",
                                         "NET_ADMIN",
                                         "NET_RAW",
                                         "IPC_LOCK",
                                         "IPC_OWNER",
                                         "SYS_MODULE",
                                         "SYS_RAWIO",
                                         "SYS_CHROOT",
                                         "SYS_PTRACE",
                                         "SYS_PACCT",
                                         "SYS_ADMIN",
                                         "SYS_BOOT",
                                         "SYS_NICE",
                                         "SYS_RESOURCE",
                                         "SYS_TIME",
                                         "SYS_TTY_CONFIG",
                                         "MKNOD",
                                         "LEASE",
                                         "AUDIT_WRITE",
                                         "AUDIT_CONTROL",
                                         "SETFCAP",
                                         "MAC_OVERRIDE",
                                         "MAC_ADMIN",
                                         "SYSLOG",
                                         "WAKE_ALARM",
                                         "BLOCK_SUSPEND",
                                         "AUDIT_READ"};

std::string read_trimmed(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::uint64_t bounding_capabilities() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("CapBnd:", 0) == 0) return std::stoull(line.substr(7), nullptr, 16);
  }
  return 0;
}

std::string default_route_interface() {
  std::ifstream routes("/proc/net/route");
  std::string line;
  std::getline(routes, line);
  while (std::getline(routes, line)) {
    std::istringstream fields(line);
    std::string name, destination;
    fields >> name >> destination;
    if (destination == "00000000") return name;
  }
  return "";
}

// (interface, address) of every IPv4 address.
std::vector<std::pair<std::string, std::string>> addresses() {
  std::vector<std::pair<std::string, std::string>> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || at->ifa_addr->sa_family != AF_INET) continue;
    char text[INET_ADDRSTRLEN];
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr, text, sizeof text);
    found.emplace_back(at->ifa_name, text);
  }
  ::freeifaddrs(list);
  return found;
}

std::string choose_external_ip(const std::string& interface) {
  std::string any;
  for (const auto& [name, address] : addresses()) {
    if (name == interface) return address;
    if (any.empty() && address.rfind("127.", 0) != 0) any = address;
  }
  return any.empty() ? "127.0.0.1" : any;
}

bool is_unified() {
  constexpr long kCgroup2Magic = 0x63677270;
  struct statfs info {};
  return ::statfs("/sys/fs/cgroup", &info) == 0 && info.f_type == kCgroup2Magic;
}

}  // namespace

Host Host::probe() {
  Host host;
  host.largest_id = largest_mapped_id(base::read_file("/proc/self/uid_map"));
  host.capabilities = bounding_capabilities();
  host.is_spared_by_oom_killer = read_trimmed("/proc/self/oom_score_adj").starts_with('-');
  host.has_unified_cgroups = is_unified();
  if (host.has_unified_cgroups) {
    host.has_swap_limit = true;  // where the kernel has none, the runtime leaves out a limit of zero
  } else {
    for (const char* controller : {"memory", "cpu", "pids", "devices"}) {
      if (::access((std::string("/sys/fs/cgroup/") + controller).c_str(), F_OK) != 0) {
        throw std::runtime_error(std::string("the cgroup controller ") + controller +
                                 " is not mounted below /sys/fs/cgroup");
      }
    }
    host.has_swap_limit = ::access("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", F_OK) == 0;
  }
  host.has_ipv6 = ::access("/proc/sys/net/ipv6/conf", F_OK) == 0;
  host.memory_bytes =
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  host.processors = std::max(1u, std::thread::hardware_concurrency());
  for (const char* name :
       {"tcp_keepalive_time", "tcp_keepalive_intvl", "tcp_keepalive_probes", "tcp_retries1", "tcp_retries2"}) {
    const std::string value = read_trimmed(std::string("/proc/sys/net/ipv4/") + name);
    if (!value.empty()) host.sysctls[std::string("net.ipv4.") + name] = value;
  }
  host.external_interface = default_route_interface();
  host.external_ip = choose_external_ip(host.external_interface);
  return host;
}

std::uint32_t largest_mapped_id(const std::string& uid_map) {
  std::istringstream lines(uid_map);
  std::uint64_t inside = 0, outside = 0, length = 0, largest = 0;
  while (lines >> inside >> outside >> length) {
    if (length > 0) largest = std::max(largest, inside + length - 1);
  }
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(largest, 4294967294u));
}

std::vector<std::string> capability_names(std::uint64_t mask) {
  std::vector<std::string> names;
  for (std::size_t bit = 0; bit < std::size(kCapabilities); ++bit) {
    if ((mask >> bit & 1) != 0) names.push_back(std::string("CAP_") + kCapabilities[bit]);
  }
  return names;
}

std::uint32_t mtu_of_address(const std::string& ip) {
  for (const auto& [name, address] : addresses()) {
    if (address != ip) continue;
    const base::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    if (::ioctl(socket.get(), SIOCGIFMTU, &request) == 0) return static_cast<std::uint32_t>(request.ifr_mtu);
  }
  throw std::runtime_error("no interface found for address " + ip);
}

std::uint64_t process_start_time(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto name_end = text.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  constexpr int kStartTimeAfterName = 20;
  for (int i = 0; i < kStartTimeAfterName && fields >> field; ++i) {
  }
  return field.empty() ? 0 : std::stoull(field);
}

std::string boot_id() { return read_trimmed("/proc/sys/kernel/random/boot_id"); }

}  // namespace rivera::garden
