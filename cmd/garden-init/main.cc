// The first process of every container: adopts orphans and reaps them, and does nothing else (docs/spec/garden.md
// §2.9). Static, since it runs on whatever root filesystem the container has.
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

int main() {
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
