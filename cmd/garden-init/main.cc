// The first process of every container: adopts orphans and reaps them, and does nothing else (docs/spec/garden.md
// §2.9). Static, since it runs on whatever root filesystem the container has.
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

int main() {
  if (getpid() != 1) {
    // No process of a container is waited for here, and signals would be blocked to no end.
    constexpr char kUsage[] = "garden-init is the first process of a container; garden starts it\n";
    (void)!write(STDERR_FILENO, kUsage, sizeof kUsage - 1);
    return 2;
  }
  sigset_t all{};
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  sigset_t child{};
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  while (true) {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    sigwaitinfo(&child, nullptr);
  }
}
