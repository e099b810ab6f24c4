// The one way in which this project starts other programs.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/asio.h"
#include "base/files.h"

namespace rivera::base {

// Whose signals reach the child: a terminal's Ctrl-C is for a process group, its hang-up for a session.
enum class ProcessGroup { kOurs, kOwn, kOwnSession };

struct ChildOptions {
  // Descriptors of ours that become the child's standard input, output and error; -1: /dev/null. STDIN_FILENO and so
  // on: ours.
  int input = -1;
  int output = -1;
  int error = -1;
  // Becomes the child's descriptor 3; -1: none. The child gets no other descriptor.
  int passed = -1;
  // The child's environment: these, and of ours what usual_variables() names and `inherited` does. Secrets that an
  // operator has put in ours do not reach it.
  std::map<std::string, std::string> variables;
  std::set<std::string> inherited;
  std::string directory;  // "" = ours
  ProcessGroup group = ProcessGroup::kOurs;
};

// What every program may need of our environment, whatever it does: PATH, HOME, the language, the time zone, where
// temporary files go, and the options of sanitizers.
const std::set<std::string>& usual_variables();

// A pipe, closed in every child except at the ends that are given to it.
struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
  Pipe();  // throws std::system_error
};

// A child that has been started and not yet reaped. It is never lost: the owner of this object reaps it, and an object
// that is destroyed kills its child first, unless it was released. Signals and waiting use a pidfd, so that they never
// reach another process with the same id. Used on one thread at a time.
class ChildProcess {
 public:
  // argv[0] is found in PATH; no shell. Signal handlers and the signal mask of the child are the defaults. Throws
  // std::system_error ("cannot start PROGRAM: ..."); there is no child then.
  explicit ChildProcess(const std::vector<std::string>& argv, const ChildOptions& options = {});
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  // Stays valid after the child's end, though the number may then be another process's.
  pid_t pid() const { return pid_; }
  bool has_ended() const { return status_.has_value(); }

  // Does nothing once the child has been reaped.
  void signal(int number) const;
  // To its process group, if it has one of its own; else to the child.
  void signal_group(int number) const;

  // How it ended, in waitpid()'s encoding; nullopt if it has not ended by then. Blocks at most `limit`. May be called
  // again after the end. Throws std::system_error if other code has reaped it.
  std::optional<int> wait_for(std::chrono::nanoseconds limit);
  std::optional<int> try_wait() { return wait_for(std::chrono::nanoseconds(0)); }
  // SIGKILL to the child and to its own group, then waits at most `limit`. A child that the kernel cannot end by then
  // (it hangs in I/O) is reaped later, when another one is started.
  void kill(std::chrono::nanoseconds limit = std::chrono::seconds(1)) noexcept;
  // Waits for the end. Cancellable: the child stays.
  asio::awaitable<int> ended();

  // Gives up the child: from now on it is a daemon that the kernel or a later start reaps.
  void release() noexcept;

  int pidfd() const { return pidfd_.get(); }

 private:
  void reap();

  pid_t pid_ = -1;
  UniqueFd pidfd_;
  bool has_own_group_ = false;
  std::optional<int> status_;
};

// Starts a program whose standard output and error are appended to a file, which is made (0600) if need be. Throws
// std::system_error.
ChildProcess start_logged(const std::vector<std::string>& argv, const std::filesystem::path& log_file,
                          ChildOptions options = {});

// As a shell gives it: the exit status, or 128 + the signal's number.
int exit_status_of(int wait_status);
// "exit status 1", "killed by signal 9 (Killed)".
std::string describe_end(int wait_status);

}  // namespace rivera::base
