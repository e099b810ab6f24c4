// A machine of a test cluster: namespaces for processes, mounts, network and host name, which end with it.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

#include <boost/json/object.hpp>

#include "base/files.h"

namespace rivera::harness {

// What a machine knows of names: the contents of /etc/hosts and /etc/resolv.conf.
struct NameFiles {
  std::string hosts;
  std::string resolv_conf;
};

// State of one program on a machine.
struct ProgramState {
  pid_t pid = 0;    // as the machine numbers it; 0: it does not run
  int starts = 0;   // how often it was started
  std::string end;  // how its last run ended: "exit status 1", "killed by signal 9"; "" if it has not ended yet
};

// Every process of the machine is in its process namespace, containers too: when the first one ends, the kernel ends
// them all, and with the last one go mounts and network devices. The first one ends when this object does, or the test
// program, however that ends. Only control groups and the directory can be left (see leftovers.h).
//
// The directory outlives kill() and boot(), as a disk does. Used by one thread. Calls throw std::runtime_error.
class Machine {
 public:
  // Does not boot yet. `directory` exists.
  Machine(std::string name, std::filesystem::path directory, NameFiles names);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  const std::string& name() const { return name_; }
  const std::filesystem::path& directory() const { return directory_; }
  std::filesystem::path log_file(const std::string& program) const;

  void boot();
  // Power off: kill -9 of everything. Returns when the last process has ended. Without effect if it does not run.
  void kill();
  bool is_up() const { return first_process_ > 0; }
  // The machine's first process, as the host numbers it.
  pid_t first_process() const { return first_process_; }

  // SIGSTOP and SIGCONT for every process, those in containers too.
  void pause();
  void resume();

  // Starts a program; its output goes to log_file(). It is started again, half a second after it has ended, until
  // something is called that says otherwise.
  void start(const std::string& program, const std::vector<std::string>& argv);
  // Runs a command to its end. Throws with the end of its output unless it exits with 0.
  void run(const std::string& name, const std::vector<std::string>& argv);
  void signal(const std::string& program, int number);
  // From here on its end is final.
  void leave_ended(const std::string& program);
  // Kills it with -9; it is not started again. Returns when it has ended.
  void kill(const std::string& program);
  ProgramState state_of(const std::string& program);

 private:
  boost::json::object call(const boost::json::object& request);
  boost::json::object receive();

  std::string name_;
  std::filesystem::path directory_;
  NameFiles names_;
  base::UniqueFd control_;
  pid_t first_process_ = 0;
};

}  // namespace rivera::harness
