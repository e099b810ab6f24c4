// The interface to the OCI runtime.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "garden/host/options.h"

namespace rivera::garden {

// A program with the command line of an OCI runtime. Its commands are run by a container's shim, which becomes the
// parent of what they start; deletion is run by garden.
class Runtime {
 public:
  virtual ~Runtime() = default;

  // Creates and starts the container of `bundle`; the first process's pid goes to `pid_file`, errors to `log`.
  virtual std::vector<std::string> run_command(const std::string& id, const std::string& bundle,
                                               const std::string& pid_file, const std::string& log) const = 0;
  // Starts a process of an existing container. `console_socket`: "" without a terminal.
  virtual std::vector<std::string> exec_command(const std::string& id, const std::string& process_file,
                                                const std::string& pid_file, const std::string& log,
                                                const std::string& console_socket) const = 0;
  // Removes what the runtime keeps of a container whose processes have ended. Blocks. No error if it keeps nothing.
  virtual void remove(const std::string& id) const = 0;

  // The name by which the runtime knows a handle, which may hold what a runtime's names may not.
  virtual std::string id_of(const std::string& handle) const = 0;
  // "runc"
  virtual std::string name() const = 0;
};

// runc or crun, as --runtime-plugin says.
std::unique_ptr<Runtime> make_oci_runtime(const Options& options);

// The last error of a runtime's JSON log, "" if there is none.
std::string last_error_of_log(const std::string& log_file);

// The exception for a failed start: ExecutableNotFoundError where the text says so, else "<what>: exit status N:
// <text>" (§1.7).
[[noreturn]] void throw_runtime_failure(const std::string& what, int exit_status, const std::string& text);

}  // namespace rivera::garden
