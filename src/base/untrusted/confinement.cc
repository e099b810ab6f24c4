#include "base/untrusted/confinement.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

#include "base/files.h"

namespace rivera::base {
namespace {

[[noreturn]] void fail_to(const char* doing) {
  throw std::system_error(errno, std::generic_category(), std::string("cannot ") + doing);
}

void require(bool ok, const char* doing) {
  if (!ok) fail_to(doing);
}

// A directory that has been removed: nothing can be found or made in it.
UniqueFd nowhere() {
  std::string path = "/tmp/rivera-nowhere.XXXXXX";
  require(::mkdtemp(path.data()) != nullptr, "make an empty directory");
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  require(::rmdir(path.c_str()) == 0 && static_cast<bool>(fd), "make an empty directory");
  return fd;
}

void set_limit(__rlimit_resource resource, std::uint64_t value) {
  const rlimit limit{value, value};
  require(::setrlimit(resource, &limit) == 0, "limit the process");
}

// What Landlock knows, by the version of its interface.
std::uint64_t every_access(long version) {
  std::uint64_t access = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;  // version 1
  if (version >= 2) access |= 1u << 13;                           // linking into another directory
  if (version >= 3) access |= 1u << 14;                           // truncation
  return access;
}

// Nothing may be used but `directory`. Kernels without Landlock (or with it switched off) are left as they are.
void restrict_with_landlock(int directory) {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return;
  landlock_ruleset_attr ruleset{};
  ruleset.handled_access_fs = every_access(version);
  const UniqueFd rules(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0)));
  require(static_cast<bool>(rules), "make Landlock rules");
  if (directory >= 0) {
    constexpr std::uint64_t kNever = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                     LANDLOCK_ACCESS_FS_MAKE_SOCK;
    landlock_path_beneath_attr beneath{};
    beneath.allowed_access = ruleset.handled_access_fs & ~kNever;
    beneath.parent_fd = directory;
    require(::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0,
            "add a Landlock rule");
  }
  require(::syscall(SYS_landlock_restrict_self, rules.get(), 0) == 0, "restrict the process with Landlock");
}

void become(uid_t user) {
  require(::setgroups(0, nullptr) == 0, "leave its groups");
  auto group = static_cast<gid_t>(user);
  if (::setresgid(group, group, group) != 0) {
    require(errno == EINVAL && user == kConfinedUser, "become an unprivileged user");
    return become(kNobody);
  }
  require(::setresuid(user, user, user) == 0, "become an unprivileged user");
}

}  // namespace

void confine_process(const Confinement& confinement) {
  require(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0,
          "give up privileges");
  const bool is_root = ::geteuid() == 0;
  if (is_root) {
    const UniqueFd empty = confinement.directory >= 0 ? UniqueFd() : nowhere();
    const int root = empty ? empty.get() : confinement.directory;
    // Without networks and semaphores of the host; what a kernel does not have it cannot give either.
    if (::unshare(CLONE_NEWNET | CLONE_NEWIPC) != 0 && errno != EINVAL && errno != ENOSPC && errno != EPERM) {
      fail_to("leave the host's network");
    }
    require(::fchdir(root) == 0 && ::chroot(".") == 0, "change the root directory");
  }
  restrict_with_landlock(confinement.directory);
  if (is_root) become(confinement.user);
  // Changing the user clears it.
  require(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::prctl(PR_SET_DUMPABLE, 0) == 0, "give up privileges");
  set_limit(RLIMIT_FSIZE, confinement.most_file_bytes);
  set_limit(RLIMIT_CPU, confinement.most_cpu_seconds);
  set_limit(RLIMIT_CORE, 0);
  set_limit(RLIMIT_NOFILE, 64);
  if (is_root) set_limit(RLIMIT_NPROC, 0);
  if (confinement.most_memory_bytes > 0) set_limit(RLIMIT_AS, confinement.most_memory_bytes);
}

uid_t give_to_confined_user(int directory) {
  if (::geteuid() != 0) return ::geteuid();
  for (const uid_t user : {kConfinedUser, kNobody}) {
    if (::fchown(directory, user, static_cast<gid_t>(user)) == 0) return user;
    if (errno != EINVAL) break;
  }
  fail_to("give a directory to an unprivileged user");
}

}  // namespace rivera::base
