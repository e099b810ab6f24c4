// The interface to the OCI runtime.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "garden/host/cgroups.h"
#include "garden/host/options.h"

namespace rivera::garden {

// A program with the command line of an OCI runtime. Its commands are run by a container's shim, which becomes the
// parent of what they start; deletion is run by garden.
class Runtime {
 public:
  virtual ~Runtime() = default;

  struct Start {
    std::string id, bundle;      // names it, and the directory of its config.json
    std::string pid_file, log;   // where the first process's pid goes, and errors
    std::string console_socket;  // "" without a terminal
  };
  // Creates and starts a container.
  virtual std::vector<std::string> run_command(const Start& start) const = 0;
  // The same for a process with an image of its own, which the runtime takes for a container.
  virtual std::vector<std::string> run_pea_command(const Start& start) const = 0;
  // Starts a process of an existing container.
  virtual std::vector<std::string> exec_command(const Start& start, const std::string& process_file) const = 0;
  // Whether it is best started from a sealed copy of its program (shim/sealed_program.h).
  virtual bool runs_sealed() const = 0;
  // Adds to a config.json what lets this runtime start it sooner. Blocks.
  virtual void prepare(boost::json::object& config) const = 0;
  // The container or pea `id` has started: what the runtime made for it may serve the next one. Blocks.
  virtual void has_started(const std::string& id) const = 0;
  // Removes what the runtime keeps of a container whose processes have ended. Blocks. No error if it keeps nothing.
  virtual void remove(const std::string& id) const = 0;

  // The path for config.json of the control group "garden/handle", and the groups that the runtime makes for it.
  // cgroups() blocks.
  virtual std::string cgroup_path(const std::string& group) const = 0;
  virtual Cgroups cgroups(const std::string& group) const = 0;

  // The name by which the runtime knows a handle, which may hold what a runtime's names may not.
  virtual std::string id_of(const std::string& handle) const = 0;
  // "runc"
  virtual std::string name() const = 0;
};

// The runtimes of this host. A container stays with the one that it was created by: others do not know it.
class Runtimes {
 public:
  // New containers are created by Options::runtime, which must be set.
  explicit Runtimes(const Options& options, bool has_unified_cgroups);

  const std::string& preferred() const { return preferred_; }
  // `program` as --runtime-plugin names it.
  const Runtime& named(const std::string& program) const;

 private:
  const Options& options_;
  bool has_unified_cgroups_;
  std::string preferred_;
  mutable std::map<std::string, std::unique_ptr<Runtime>> runtimes_;
};

// runc and crun get a state directory of this garden; any other program gets upstream's exact command lines
// (docs/spec/garden.md §8.5).
std::unique_ptr<Runtime> make_oci_runtime(const std::string& program, const Options& options, bool has_unified_cgroups);

// The last error of a runtime's JSON log, "" if there is none.
std::string last_error_of_log(const std::string& log_file);

// The exception for a failed start: ExecutableNotFoundError where the text says so, else "<what>: exit status N:
// <text>" (§1.7).
[[noreturn]] void throw_runtime_failure(const std::string& what, int exit_status, const std::string& text);

}  // namespace rivera::garden
