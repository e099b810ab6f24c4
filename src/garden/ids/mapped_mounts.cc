#include "garden/ids/mapped_mounts.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "base/units.h"

namespace rivera::garden {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

// In a process that shares our memory: system calls only.
int wait_to_be_killed(void* /*unused*/) {
  ::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  for (;;) ::syscall(SYS_pause);
}

// A process in a user namespace of its own, killed and reaped at the end.
class Holder {
 public:
  Holder() {
    constexpr std::size_t kStackBytes = 64 * base::kKibibyte;
    stack_.resize(kStackBytes);
    // It takes no signal of ours: a handler there would work on our memory.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    // Without a copy of our memory, which takes longer than all the rest; its end sends no signal.
    process_ = ::clone(&wait_to_be_killed, stack_.data() + stack_.size(), CLONE_VM | CLONE_NEWUSER, nullptr);
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    if (process_ < 0) fail("make a user namespace");
  }
  ~Holder() {
    ::kill(process_, SIGKILL);
    while (::waitpid(process_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  std::string file(const char* name) const { return "/proc/" + std::to_string(process_) + "/" + name; }

 private:
  std::vector<char> stack_;
  pid_t process_ = -1;
};

void write_map(const std::string& path, const std::vector<IdMapping::Range>& ranges) {
  std::string text;
  for (const auto& range : ranges) {
    text +=
        std::to_string(range.container) + " " + std::to_string(range.host) + " " + std::to_string(range.length) + "\n";
  }
  const base::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    fail("write " + path);
}

}  // namespace

base::UniqueFd mapping_namespace(const IdMapping& mapping) {
  const Holder holder;
  write_map(holder.file("uid_map"), mapping.uids);
  write_map(holder.file("gid_map"), mapping.gids);
  base::UniqueFd made(::open(holder.file("ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  if (!made) fail("open a user namespace");
  return made;
}

base::UniqueFd mapped_clone(const std::string& source, const base::UniqueFd& user_namespace) {
  base::UniqueFd mount(
      static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!mount) fail("open_tree " + source);
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<std::uint64_t>(user_namespace.get());
  if (::syscall(SYS_mount_setattr, mount.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0)
    fail("map the owners of " + source);
  return mount;
}

void attach_mount(const base::UniqueFd& mount, const std::string& target) {
  if (::syscall(SYS_move_mount, mount.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    fail("mount at " + target);
}

}  // namespace rivera::garden
