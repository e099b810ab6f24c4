#include "cluster/prepare/preflight.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <ifaddrs.h>
#include <sstream>
#include <sys/file.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/files.h"
#include "cluster/prepare/component.h"
#include "cluster/settings/terminal.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
constexpr std::size_t kRoom = 8u << 20;          // bytes: the root filesystem, certificates, configuration files
constexpr std::size_t kLongestSocketName = 107;  // unix(7)

// The port and inode of each listening socket in a table like /proc/net/tcp.
std::vector<std::pair<std::uint32_t, std::string>> listening_sockets(const char* table) {
  std::vector<std::pair<std::uint32_t, std::string>> out;
  std::istringstream lines;
  try {
    lines.str(base::read_file(table));
  } catch (const std::system_error&) {
    return out;
  }
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    // sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
    std::istringstream words(line);
    std::vector<std::string> fields;
    for (std::string word; words >> word;) fields.push_back(word);
    if (fields.size() <= 9 || fields[3] != "0A") continue;
    const auto port = std::stoul(fields[1].substr(fields[1].find(':') + 1), nullptr, 16);
    out.emplace_back(static_cast<std::uint32_t>(port), fields[9]);
  }
  return out;
}

bool has_socket(const fs::path& process, const std::string& inode) {
  std::error_code ec;
  for (const auto& fd : fs::directory_iterator(process / "fd", ec)) {
    if (fs::read_symlink(fd.path(), ec).string() == "socket:[" + inode + "]") return true;
  }
  return false;
}

std::string owner_of(const std::string& inode) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator("/proc", ec)) {
    const std::string pid = entry.path().filename();
    if (!std::all_of(pid.begin(), pid.end(), [](unsigned char c) { return std::isdigit(c); })) continue;
    if (!has_socket(entry.path(), inode)) continue;
    try {
      std::string name = base::read_file(entry.path() / "comm");
      if (!name.empty() && name.back() == '\n') name.pop_back();
      return fmt::format("{} (pid {})", name, pid);
    } catch (const std::system_error&) {
      break;  // it has just ended
    }
  }
  return "another program";
}

bool is_in_path(const std::string& program) {
  const char* path = ::getenv("PATH");
  std::istringstream directories(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (::access((fs::path(directory) / program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace

std::string listener_on(std::uint16_t port) {
  for (const char* table : kTables) {
    for (const auto& [number, inode] : listening_sockets(table)) {
      if (number == port) return owner_of(inode);
    }
  }
  return "";
}

bool is_listened_on(std::uint32_t first, std::uint32_t count) {
  return std::ranges::any_of(kTables, [&](const char* table) {
    return std::ranges::any_of(listening_sockets(table), [&](const auto& socket) {
      return socket.first >= first && socket.first - first < count;
    });
  });
}

void require_root() {
  if (::geteuid() != 0) throw Problem("root is needed: run this as root, for example with sudo");
}

void require_usable_directory(const Settings& settings) {
  const std::string directory = settings.var_dir.string();
  const std::size_t most = kLongestSocketName - (settings.supervisor_socket().string().size() - directory.size());
  if (directory.size() > most) {
    throw Problem(fmt::format("the path {} is too long for sockets: it has {} bytes, at most {} are possible",
                              directory, directory.size(), most));
  }
  // A colon ends a path in lists of file systems, a comma an option; a line end a line.
  const bool is_usable = std::ranges::all_of(directory, [](unsigned char c) {
    return c >= 0x20 && c != 0x7f && c != ':' && c != ',' && c != '\\' && c != '"';
  });
  if (!is_usable) {
    throw Problem(
        fmt::format("the path {} cannot be used: a colon, comma, backslash, double quote or control character "
                    "is in it",
                    plain_text(directory)));
  }
}

void require_programs(const Settings& settings) {
  for (const Component& component : components(settings)) {
    const std::string& program = component.argv.front();
    const bool found = program.front() == '/' ? ::access(program.c_str(), X_OK) == 0 : is_in_path(program);
    if (!found)
      throw Problem(fmt::format("{} is missing: run ./run, which builds and installs what is needed", program));
  }
}

void require_free_ports(const Settings& settings, const std::vector<std::uint16_t>& held_by_ourselves) {
  for (const std::uint16_t port : settings.ports.all()) {
    if (std::ranges::find(held_by_ourselves, port) != held_by_ourselves.end()) continue;
    const std::string owner = listener_on(port);
    if (owner.empty()) continue;
    throw Problem(
        fmt::format("port {} is in use by {}: stop that, or choose other ports with ./run --port-base <n> "
                    "(now {}; a block of {} is taken)",
                    port, owner, settings.ports.base, Ports::kBlock));
  }
}

void require_own_address(const Settings& settings) {
  in_addr wanted{};
  bool is_ours = ::inet_pton(AF_INET, settings.host_address.c_str(), &wanted) == 1 &&
                 (ntohl(wanted.s_addr) >> 24) == IN_LOOPBACKNET;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) throw std::system_error(errno, std::generic_category(), "list the network interfaces");
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    is_ours = is_ours || reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr.s_addr == wanted.s_addr;
  }
  ::freeifaddrs(all);
  if (!is_ours) {
    throw Problem(fmt::format("host_address: no network interface of this machine has the address {}: see ip address",
                              settings.host_address));
  }
}

void require_room(const Settings& settings) {
  const fs::path probe = settings.var_dir / "room";
  std::string failure;
  try {
    base::write_file_atomically(probe, std::string(kRoom, '\0'), 0600);
  } catch (const std::system_error& e) {
    failure = e.what();
  }
  std::error_code ignored;
  fs::remove(probe, ignored);
  if (!failure.empty()) throw Problem(failure + ": make room there first");
}

ClusterTurn::ClusterTurn(const Settings& settings)
    : lock_(::open(settings.var_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!lock_) throw Problem("cannot open " + settings.var_dir.string());
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(10);
  for (bool has_said = false; ::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0;) {
    if (!has_said) print("Waiting for another ./run on this cluster.\n");
    has_said = true;
    if (std::chrono::steady_clock::now() > deadline) throw Problem("another ./run on this cluster does not finish");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace rivera::cluster
