// A hostile tenant: runs inside a container and tries what must not work there. Prints a line for each attempt, "NAME
// allowed" or "NAME" and the error. Static, as containers have no libraries of ours. `garden-tenant count NAME` takes
// as many kernel objects of a kind as it can get and prints how many.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <sched.h>
#include <string>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// Prints the result of an attempt. It runs in a process of its own: the kernel answers some attempts with a signal.
void attempt(const char* name, const std::function<bool()>& work) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    errno = 0;
    ::_exit(work() ? 0 : errno != 0 ? errno : 255);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    std::printf("%s killed by %s\n", name, ::sigabbrev_np(WTERMSIG(status)));
  } else if (WEXITSTATUS(status) == 0) {
    std::printf("%s allowed\n", name);
  } else {
    const char* error = ::strerrorname_np(WEXITSTATUS(status));
    std::printf("%s %s\n", name, error == nullptr ? "refused" : error);
  }
}

bool opens_socket(int family, int type, int protocol) { return ::socket(family, type, protocol) >= 0; }

bool can_write(const char* path, const char* text) {
  const int file = ::open(path, O_WRONLY);
  return file >= 0 && ::write(file, text, std::strlen(text)) > 0;
}

bool makes_device(mode_t type, unsigned major, unsigned minor, int access) {
  const std::string path = "/tmp/device-" + std::to_string(major) + "-" + std::to_string(minor);
  ::unlink(path.c_str());
  if (::mknod(path.c_str(), type | 0666, makedev(major, minor)) != 0) return false;
  return ::open(path.c_str(), access) >= 0;
}

// The old way out of a directory that is the root of a process only.
bool leaves_root() {
  struct stat before {
  }, after{};
  ::stat("/", &before);
  ::mkdir("/tmp/jail", 0755);
  const int root = ::open("/", O_RDONLY | O_DIRECTORY);
  if (root < 0 || ::chroot("/tmp/jail") != 0 || ::fchdir(root) != 0) return false;
  for (int i = 0; i < 64; ++i) {
    if (::chdir("..") != 0) return false;
  }
  if (::chroot(".") != 0 || ::stat("/", &after) != 0) return false;
  errno = ENOENT;
  return before.st_dev != after.st_dev || before.st_ino != after.st_ino;
}

// A system call in the 32 bit form: 20 is getpid there.
bool calls_in_32_bit() {
#if defined(__x86_64__)
  long result = 20;
  asm volatile("int $0x80" : "+a"(result) : : "memory");
  return result > 0;
#else
  return false;
#endif
}

bool system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  return ::syscall(number, a, b, c, d, e) >= 0;
}

void try_everything() {
  constexpr int kVirtualMachineSockets = 40;
  attempt("socket-vsock", [] { return opens_socket(kVirtualMachineSockets, SOCK_STREAM, 0); });
  attempt("socket-raw", [] { return opens_socket(AF_INET, SOCK_RAW, 1); });
  attempt("socket-packet", [] { return opens_socket(AF_PACKET, SOCK_RAW, 0x0300); });
  attempt("socket-ping", [] { return opens_socket(AF_INET, SOCK_DGRAM, 1); });
  attempt("socket-stream", [] { return opens_socket(AF_INET, SOCK_STREAM, 0); });
  attempt("aio", [] {
    aio_context_t context = 0;
    return ::syscall(SYS_io_setup, 16, &context) == 0;
  });
  attempt("32-bit-call", [] { return calls_in_32_bit(); });
  attempt("unshare-user", [] { return ::unshare(CLONE_NEWUSER) == 0; });
  attempt("unshare-mount", [] { return ::unshare(CLONE_NEWNS) == 0; });
  attempt("clone-user", [] { return system_call(SYS_clone, CLONE_NEWUSER | SIGCHLD); });
  attempt("clone3", [] { return system_call(SYS_clone3, 0, 0); });
  attempt("setns", [] { return ::setns(::open("/proc/1/ns/mnt", O_RDONLY), 0) == 0; });
  attempt("mount", [] { return ::mount("none", "/tmp", "tmpfs", 0, "") == 0; });
  attempt("umount", [] { return ::umount2("/proc/keys", MNT_DETACH) == 0; });
  attempt("open-by-handle", [] { return system_call(SYS_open_by_handle_at, AT_FDCWD, 0, 0); });
  attempt("keyctl", [] { return system_call(SYS_keyctl, 0, -3); });
  attempt("bpf", [] { return system_call(SYS_bpf, 0, 0, 0); });
  attempt("perf", [] { return system_call(SYS_perf_event_open, 0, 0, -1, -1); });
  attempt("userfaultfd", [] { return system_call(SYS_userfaultfd, 0); });
  attempt("io-uring", [] { return system_call(SYS_io_uring_setup, 8, 0); });
  attempt("module", [] { return system_call(SYS_init_module, 0, 0, 0); });
  attempt("reboot", [] { return system_call(SYS_reboot, 0, 0, 0); });
  attempt("disk", [] { return makes_device(S_IFBLK, 254, 0, O_RDONLY); });
  attempt("memory-device", [] { return makes_device(S_IFCHR, 1, 1, O_RDONLY); });
  attempt("core-pattern", [] { return can_write("/proc/sys/kernel/core_pattern", "|/tmp/x"); });
  attempt("sysrq", [] { return can_write("/proc/sysrq-trigger", "h"); });
  attempt("kernel-memory", [] {
    char byte = 0;
    return ::read(::open("/proc/kcore", O_RDONLY), &byte, 1) == 1;
  });
  attempt("release-agent", [] { return can_write("/sys/fs/cgroup/memory/release_agent", "/tmp/x"); });
  attempt("memory-limit", [] { return can_write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "-1"); });
  attempt("own-limits", [] { return can_write("/proc/sys/user/max_user_namespaces", "1000"); });
  attempt("leave-root", [] { return leaves_root(); });
  attempt("oom-score", [] { return can_write("/proc/self/oom_score_adj", "-1000"); });
}

int count_inotify() {
  int count = 0;
  while (count < 100'000 && ::inotify_init1(0) >= 0) ++count;
  return count;
}

int count_queues() {
  mq_attr attributes{};
  attributes.mq_maxmsg = 10, attributes.mq_msgsize = 8192;
  int count = 0;
  for (; count < 100'000; ++count) {
    const std::string name = "/tenant-" + std::to_string(::getpid()) + "-" + std::to_string(count);
    if (::mq_open(name.c_str(), O_CREAT | O_RDWR, 0600, &attributes) < 0) break;
    ::mq_unlink(name.c_str());  // it stays as long as it is open
  }
  return count;
}

// Of the largest size that a user may give one.
int count_pipes() {
  constexpr int kLargest = 1 << 20;
  int count = 0;
  for (; count < 400; ++count) {
    int ends[2];
    if (::pipe(ends) != 0 || ::fcntl(ends[1], F_SETPIPE_SZ, kLargest) < 0) break;
  }
  return count;
}

int count_signals() {
  sigset_t blocked{};
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGRTMIN);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  int count = 0;
  while (count < 1'000'000 && ::sigqueue(::getpid(), SIGRTMIN, sigval{}) == 0) ++count;
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "", what = argc > 2 ? argv[2] : "";
  if (mode == "try") {
    try_everything();
    return 0;
  }
  if (mode != "count") return 2;
  int (*count)() = count_signals;
  if (what == "inotify") count = count_inotify;
  if (what == "queues") count = count_queues;
  if (what == "pipes") count = count_pipes;
  std::printf("%d\n", count());
  std::fflush(stdout);
  if (argc > 3) ::pause();  // holds what it has
  return 0;
}
