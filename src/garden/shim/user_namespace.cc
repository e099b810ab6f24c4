#include "garden/shim/user_namespace.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace rivera::garden::shim {

namespace {

// The whole container may hold this much, and each of its users not more.
constexpr rlim_t kMessageQueueBytes = 819200;  // the kernel's default
constexpr rlim_t kQueuedSignals = 8192;

void write_text(const std::string& path, const std::string& text) {
  const Fd file(check(::open(path.c_str(), O_WRONLY | O_CLOEXEC), "open " + path));
  check(static_cast<int>(::write(file.get(), text.data(), text.size())), "write " + path);
}

// The limits of the creating process become those of the namespace as a whole.
void limit(__rlimit_resource resource, rlim_t most) {
  rlimit value{};
  check(::getrlimit(resource, &value), "getrlimit");
  value.rlim_cur = value.rlim_max = std::min(value.rlim_max, most);
  check(::setrlimit(resource, &value), "setrlimit");
}

// Becomes `owner` without losing capabilities: making a user namespace may be reserved to those who have them.
void become_owner(unsigned owner) {
  check(static_cast<int>(::syscall(SYS_setresgid, owner, owner, owner)), "setresgid");
  check(::prctl(PR_SET_KEEPCAPS, 1), "prctl");
  check(static_cast<int>(::syscall(SYS_setresuid, owner, owner, owner)), "setresuid");
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  check(static_cast<int>(::syscall(SYS_capget, &header, data)), "capget");
  for (auto& part : data) part.effective = part.permitted;
  check(static_cast<int>(::syscall(SYS_capset, &header, data)), "capset");
}

// In the child: says "made", waits until the parent has written the maps, sets the limits, makes the network namespace,
// says "done". Ends if the parent does.
void hold(const UserNamespaceRequest& request, bool network, int say, int hear) {
  check(::setgroups(0, nullptr), "setgroups");
  limit(RLIMIT_MSGQUEUE, kMessageQueueBytes);
  limit(RLIMIT_SIGPENDING, kQueuedSignals);
  limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
  become_owner(request.owner);
  check(::unshare(CLONE_NEWUSER), "unshare");
  write_all(say, "m");
  char byte = 0;
  if (read_full(hear, &byte, 1) != 1) return;
  for (const auto& [name, value] : request.limits) write_text("/proc/sys/user/" + name, value);
  // With the maps: its files in /sys belong to the container's root.
  if (network) check(::unshare(CLONE_NEWNET), "unshare network");
  write_all(say, "d");
  read_full(hear, &byte, 1);  // until the parent has opened the namespaces
}

void expect(int fd) {
  char byte = 0;
  if (read_full(fd, &byte, 1) != 1) throw std::runtime_error("the namespaces could not be made");
}

std::string lines_of(std::string map) {
  std::replace(map.begin(), map.end(), ',', '\n');
  return map + "\n";
}

Fd open_namespace(const std::string& process, const char* type) {
  return Fd(
      check(::open((process + "/ns/" + type).c_str(), O_RDONLY | O_CLOEXEC), std::string("open namespace ") + type));
}

// Of our own user namespace.
Fd make_network_namespace() {
  const Fd home = open_namespace("/proc/self", "net");
  check(::unshare(CLONE_NEWNET), "unshare network");
  Fd made = open_namespace("/proc/self", "net");
  check(::setns(home.get(), CLONE_NEWNET), "return to the host's network");
  return made;
}

// "FIRST:COUNT:LOCK_FILE".
void parse_ids(const std::string& text, UserNamespaceRequest& request) {
  const auto count = text.find(':') + 1, file = text.find(':', count) + 1;
  if (count == 0 || file == 0) throw std::runtime_error("not FIRST:COUNT:LOCK_FILE: " + text);
  request.first_id = std::stoll(text);
  request.id_count = std::stoll(text.substr(count));
  request.lock_file = text.substr(file);
}

}  // namespace

UserNamespaceRequest parse_user_namespace(const std::vector<std::string>& words) {
  UserNamespaceRequest request;
  request.owner = static_cast<unsigned>(std::stoul(words.at(0)));
  request.uid_map = lines_of(words.at(1));
  request.gid_map = lines_of(words.at(2));
  for (std::size_t i = 3; i < words.size(); ++i) {
    const auto equals = words[i].find('=');
    if (equals == std::string::npos) throw std::runtime_error("not NAME=VALUE: " + words[i]);
    const std::string name = words[i].substr(0, equals), value = words[i].substr(equals + 1);
    if (name == "ids") {
      parse_ids(value, request);
    } else {
      request.limits.emplace_back(name, value);
    }
  }
  return request;
}

Fd hold_ids(const UserNamespaceRequest& request) {
  if (request.lock_file.empty()) return Fd();
  Fd file(check(::open(request.lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), "open ids"));
  struct flock range {};
  range.l_type = F_RDLCK;
  range.l_whence = SEEK_SET;
  range.l_start = request.first_id;
  range.l_len = request.id_count;
  check(::fcntl(file.get(), F_OFD_SETLK, &range), "lock host ids");
  return file;
}

Namespaces make_namespaces(const std::optional<UserNamespaceRequest>& user, bool network) {
  Namespaces made;
  if (!user) {
    if (network) made.network = make_network_namespace();
    return made;
  }
  int from_child[2], to_child[2];
  check(::pipe2(from_child, O_CLOEXEC), "pipe");
  Fd hear(from_child[0]), child_says(from_child[1]);
  check(::pipe2(to_child, O_CLOEXEC), "pipe");
  Fd child_hears(to_child[0]), say(to_child[1]);
  const pid_t child = check(::fork(), "fork");
  if (child == 0) {
    say.reset();
    int status = 0;
    try {
      hold(*user, network, child_says.get(), child_hears.get());
    } catch (const std::exception& e) {
      std::fprintf(stderr, "namespaces: %s\n", e.what());
      status = 1;
    }
    ::_exit(status);
  }
  child_says.reset();
  child_hears.reset();
  try {
    expect(hear.get());
    const std::string process = "/proc/" + std::to_string(child);
    write_text(process + "/uid_map", user->uid_map);
    write_text(process + "/gid_map", user->gid_map);
    write_all(say.get(), "g");
    expect(hear.get());
    made.user = open_namespace(process, "user");
    if (network) made.network = open_namespace(process, "net");
  } catch (...) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    throw;
  }
  say.reset();
  ::waitpid(child, nullptr, 0);
  return made;
}

}  // namespace rivera::garden::shim
