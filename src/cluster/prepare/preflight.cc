#include "cluster/prepare/preflight.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <sstream>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "base/files.h"
#include "cluster/prepare/component.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

// The inode of the socket that listens on `port`, from the lines of /proc/net/tcp; "" if there is none.
std::string listening_inode(const char* table, std::uint16_t port) {
  std::istringstream lines;
  try {
    lines.str(base::read_file(table));
  } catch (const std::system_error&) {
    return "";
  }
  const std::string suffix = fmt::format(":{:04X}", port);
  std::string line;
  while (std::getline(lines, line)) {
    // sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
    std::istringstream words(line);
    std::vector<std::string> fields;
    for (std::string word; words >> word;) fields.push_back(word);
    if (fields.size() > 9 && fields[1].ends_with(suffix) && fields[3] == "0A") return fields[9];
  }
  return "";
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
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    const std::string inode = listening_inode(table, port);
    if (!inode.empty()) return owner_of(inode);
  }
  return "";
}

void require_root() {
  if (::geteuid() != 0) throw Problem("root is needed: run this as root, for example with sudo");
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

}  // namespace rivera::cluster
