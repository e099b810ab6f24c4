#include "garden/shim/enter.h"

#include <cstdlib>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "garden/shim/fd.h"

namespace rivera::garden::shim {

namespace {

constexpr std::size_t kPasswdLimit = 1u << 20;

std::string read_container_file(const char* path) {
  // The content is the container's: it may be a pipe, a device or huge.
  const Fd file(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return "";
  std::string text(kPasswdLimit, '\0');
  text.resize(read_full(file.get(), text.data(), text.size()));
  return text;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

std::vector<std::vector<std::string>> read_records(const char* path) {
  std::vector<std::vector<std::string>> records;
  for (const auto& line : split(read_container_file(path), '\n')) {
    auto fields = split(line, ':');
    if (fields.size() >= 3) records.push_back(std::move(fields));
  }
  return records;
}

unsigned to_id(const std::string& text) { return static_cast<unsigned>(std::strtoul(text.c_str(), nullptr, 10)); }

}  // namespace

void join_cgroups(const std::vector<std::string>& directories) {
  for (const auto& directory : directories) {
    const Fd members(check(::open((directory + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC), "open " + directory));
    write_all(members.get(), "0");
  }
}

void enter_container(int pidfd) {
  // No process of the container may inspect this one while it enters.
  check(::prctl(PR_SET_DUMPABLE, 0), "prctl");
  if (::setns(pidfd, CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    // A privileged container has no user namespace of its own, and ours cannot be joined again.
    if (errno != EINVAL) fail("setns");
    check(::setns(pidfd, CLONE_NEWNS), "setns");
  }
  ::close(pidfd);
  check(::setgroups(0, nullptr), "setgroups");
  check(static_cast<int>(::syscall(SYS_setresgid, 0, 0, 0)), "setgid");
  check(static_cast<int>(::syscall(SYS_setresuid, 0, 0, 0)), "setuid");
  check(::chdir("/"), "chdir");
  check(::prctl(PR_SET_DUMPABLE, 0), "prctl");
}

User find_user(const std::string& name) {
  const std::string wanted = name.empty() ? "root" : name;
  for (const auto& fields : read_records("/etc/passwd")) {
    if (fields[0] != wanted || fields.size() < 4) continue;
    User user{to_id(fields[2]), to_id(fields[3]), "/"};
    if (fields.size() > 5 && !fields[5].empty()) user.home = fields[5];
    return user;
  }
  if (wanted == "root") return User{};
  throw std::runtime_error("getpwnam: invalid user: " + name);
}

std::string name_of_id(const char* file, unsigned id) {
  for (const auto& fields : read_records(file)) {
    if (to_id(fields[2]) == id) return fields[0];
  }
  return "";
}

void become(const User& user) {
  check(::setgroups(0, nullptr), "setgroups");
  check(static_cast<int>(::syscall(SYS_setresgid, user.gid, user.gid, user.gid)), "setgid");
  check(static_cast<int>(::syscall(SYS_setresuid, user.uid, user.uid, user.uid)), "setuid");
  check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl");
}

void make_directories(const std::string& path, const User& user) {
  for (std::size_t at = 0; at != std::string::npos;) {
    at = path.find('/', at + 1);
    const std::string part = path.substr(0, at);
    if (part.empty()) continue;
    if (::mkdir(part.c_str(), 0755) == 0) {
      check(::chown(part.c_str(), user.uid, user.gid), "chown " + part);
    } else if (errno != EEXIST) {
      fail("mkdir " + part);
    }
  }
}

}  // namespace rivera::garden::shim
