#include "garden/bundle/seccomp_profile.h"

#include <sstream>
#include <string>

#include <boost/json/array.hpp>

namespace rivera::garden {

namespace json = boost::json;

namespace {

// docs/spec/garden.md, appendix A.
constexpr const char* kAllowed = R"(
accept accept4 access alarm arch_prctl bind brk capget capset chdir chmod chown chown32 chroot clock_getres
clock_gettime clock_nanosleep close connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl
epoll_ctl_old epoll_pwait epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat
fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchown fchown32 fchownat fcntl fcntl64
fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync
ftruncate ftruncate64 futex futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid
getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt get_thread_area
gettid gettimeofday getuid getuid32 getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel
ioctl io_destroy io_getevents ioprio_get ioprio_set io_setup io_submit ipc kill lchown lchown32 lgetxattr link
linkat listen listxattr llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise memfd_create mincore
mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 modify_ldt mprotect mq_getsetattr mq_notify mq_open
mq_timedreceive mq_timedsend mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall munmap nanosleep
newfstatat _newselect open openat openat2 pause pipe pipe2 poll ppoll prctl pread64 preadv preadv2 prlimit64
pselect6 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmsg
remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rt_sigaction rt_sigpending
rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_getaffinity
sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval
sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
semtimedop send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32
setreuid setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32
setxattr shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigreturn socket socketcall socketpair
splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs sysinfo syslog tee tgkill
time timer_create timer_delete timerfd_create timerfd_gettime timerfd_settime timer_getoverrun timer_gettime
timer_settime times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat utime utimensat utimes vfork
vmsplice wait4 waitid waitpid write writev
)";

// Namespaces may not be made from inside: CLONE_NEWNS, -CGROUP, -UTS, -IPC, -USER, -PID, -NET.
constexpr std::int64_t kCloneNamespaceFlags = 0x7C020000;
constexpr int kNoSuchCall = 38;             // ENOSYS
constexpr int kVirtualMachineSockets = 40;  // AF_VSOCK

json::object allow(json::array names) { return {{"names", std::move(names)}, {"action", "SCMP_ACT_ALLOW"}}; }

}  // namespace

json::object seccomp_profile(bool is_restricted) {
  json::array syscalls;
  json::array names;
  std::istringstream allowed(kAllowed);
  for (std::string name; allowed >> name;) {
    if (is_restricted && (name == "io_setup" || name == "socket" || name == "socketcall")) continue;
    names.emplace_back(name);
  }
  names.emplace_back("ptrace");  // safe since kernel 4.8, and there is no older one here
  syscalls.push_back(allow(std::move(names)));
  for (const std::int64_t persona : {0x0ll, 0x8ll, 0xffffffffll}) {
    json::object rule = allow({"personality"});
    rule["args"] = json::array{{{"index", 0}, {"value", persona}, {"op", "SCMP_CMP_EQ"}}};
    syscalls.push_back(std::move(rule));
  }
  if (is_restricted) {
    json::object socket = allow({"socket"});
    socket["args"] = json::array{{{"index", 0}, {"value", kVirtualMachineSockets}, {"op", "SCMP_CMP_NE"}}};
    syscalls.push_back(std::move(socket));
  }
  json::object clone = allow({"clone"});
  clone["args"] =
      json::array{{{"index", 0}, {"value", kCloneNamespaceFlags}, {"valueTwo", 0}, {"op", "SCMP_CMP_MASKED_EQ"}}};
  syscalls.push_back(std::move(clone));
  // Programs have another way where a call is missing, but not where it is refused.
  json::array missing{"clone3"};
  if (is_restricted) missing.emplace_back("io_setup");
  syscalls.push_back(
      json::object{{"names", std::move(missing)}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", kNoSuchCall}});
#if defined(__x86_64__)
  json::array architectures{"SCMP_ARCH_X86_64"};
  if (!is_restricted) architectures.insert(architectures.end(), {"SCMP_ARCH_X86", "SCMP_ARCH_X32"});
#else
  json::array architectures{"SCMP_ARCH_AARCH64"};
  if (!is_restricted) architectures.emplace_back("SCMP_ARCH_ARM");
#endif
  return {{"defaultAction", "SCMP_ACT_ERRNO"},
          {"architectures", std::move(architectures)},
          {"syscalls", std::move(syscalls)}};
}

}  // namespace rivera::garden
