#include "garden/runtime/runtime.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>

#include <boost/json/parse.hpp>

#include "base/process/subprocess.h"
#include "clients/garden/garden_types.h"
#include "garden/runtime/seccomp_filter.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

void append(Words& command, const Words& words) { command.insert(command.end(), words.begin(), words.end()); }

// What all programs have in common.
class OciRuntime : public Runtime {
 public:
  OciRuntime(std::string program, const Options& options, bool has_unified_cgroups)
      : program_(std::move(program)), extra_(options.runtime_extra_args), has_unified_cgroups_(has_unified_cgroups) {}

  std::string id_of(const std::string& handle) const override {
    const bool plain = std::all_of(handle.begin(), handle.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '_' || c == '+' || c == '-' || c == '.';
    });
    if (plain && handle.size() <= 128) return handle;
    return "handle-" + std::to_string(std::hash<std::string>()(handle));
  }
  std::string name() const override { return fs::path(program_).filename(); }
  std::string cgroup_path(const std::string& group) const override {
    return (has_unified_cgroups_ || !is_relative_to_own_group() ? "/" : "") + group;
  }
  Cgroups cgroups(const std::string& group) const override {
    return Cgroups::expected(group, is_relative_to_own_group());
  }
  bool runs_sealed() const override { return false; }
  void prepare(boost::json::object&) const override {}
  void has_started(const std::string&) const override {}
  Words exec_command(const Start& start, const std::string& process_file) const override {
    Words command = begin(start.log);
    append(command, {"exec", "--detach", "--pid-file", start.pid_file, "-p", process_file});
    if (!start.console_socket.empty()) append(command, {"--tty", "--console-socket", start.console_socket});
    command.push_back(start.id);
    return command;
  }

 protected:
  // The program and its global options.
  virtual Words begin(const std::string& log) const = 0;
  // Whether a relative path of a control group is below the runtime's own group of each hierarchy; else it is below the
  // root of each.
  virtual bool is_relative_to_own_group() const { return name() != kCrun; }

  static constexpr const char* kCrun = "crun";
  std::string program_;
  Words extra_;
  bool has_unified_cgroups_;
};

// A program whose behaviour is known: it keeps its state where we tell it to.
class KnownRuntime : public OciRuntime {
 public:
  KnownRuntime(std::string program, const Options& options, bool has_unified_cgroups)
      : OciRuntime(std::move(program), options, has_unified_cgroups), root_(options.run_dir + "/runtime") {}

  Words run_command(const Start& start) const override {
    Words command = begin(start.log);
    append(command, {"run", "--detach", "--no-new-keyring", "--bundle", start.bundle, "--pid-file", start.pid_file});
    if (!start.console_socket.empty()) append(command, {"--console-socket", start.console_socket});
    command.push_back(start.id);
    return command;
  }
  Words run_pea_command(const Start& start) const override { return run_command(start); }
  // Of a container without processes and control groups the runtime has a directory, and nothing else. Its own command
  // costs a process, and runc's waits for 100 ms.
  void remove(const std::string& id) const override { fs::remove_all(root_ + "/" + id); }

 protected:
  std::string root_;

 private:
  Words begin(const std::string& log) const override {
    Words command{program_, "--root", root_, "--log", log, "--log-format", "json"};
    append(command, extra_);
    return command;
  }
};

// crun starts itself again from a read-only mount of its program, unless it runs from a sealed file; and it translates
// the seccomp profile for every container, unless it is given the translation.
class Crun final : public KnownRuntime {
 public:
  using KnownRuntime::KnownRuntime;

  bool runs_sealed() const override { return true; }
  void prepare(boost::json::object& config) const override { filter_.add_to(config); }
  void has_started(const std::string& id) const override { filter_.learn(root_ + "/" + id); }

 private:
  mutable SeccompFilter filter_;
};

// Any other program, with upstream's exact words.
class PluginRuntime final : public OciRuntime {
 public:
  using OciRuntime::OciRuntime;

  Words run_command(const Start& start) const override {
    Words command{program_, "--debug", "--log", start.log, "--log-format", "json"};
    append(command, extra_);
    append(command, {"run", "--detach", "--no-new-keyring", "--bundle", start.bundle, "--pid-file", start.pid_file});
    command.push_back(start.id);
    return command;
  }
  Words run_pea_command(const Start& start) const override {
    Words command = begin(start.log);
    append(command, {"run", "--detach", "--pid-file", start.pid_file, "--no-new-keyring", "--bundle", start.bundle});
    if (!start.console_socket.empty()) append(command, {"--console-socket", start.console_socket});
    command.push_back(start.id);
    return command;
  }
  void remove(const std::string& id) const override {
    Words state = begin("/dev/null");
    append(state, {"state", id});
    if (!base::run_command(state).ok()) return;  // it does not know the container
    Words command = begin("/dev/null");
    append(command, {"delete", "--force", id});
    base::must_run(command);
  }

 private:
  Words begin(const std::string& log) const override {
    return {program_, "--root", "/run/runc", "--debug", "--log", log, "--log-format", "json"};
  }
};

}  // namespace

std::unique_ptr<Runtime> make_oci_runtime(const std::string& program, const Options& options,
                                          bool has_unified_cgroups) {
  const std::string name = fs::path(program).filename();
  if (name == "crun") return std::make_unique<Crun>(program, options, has_unified_cgroups);
  if (name == "runc") return std::make_unique<KnownRuntime>(program, options, has_unified_cgroups);
  return std::make_unique<PluginRuntime>(program, options, has_unified_cgroups);
}

Runtimes::Runtimes(const Options& options, bool has_unified_cgroups)
    : options_(options), has_unified_cgroups_(has_unified_cgroups), preferred_(options.runtime) {}

const Runtime& Runtimes::named(const std::string& program) const {
  auto& runtime = runtimes_[program];
  if (!runtime) runtime = make_oci_runtime(program, options_, has_unified_cgroups_);
  return *runtime;
}

std::string last_error_of_log(const std::string& log_file) {
  std::ifstream file(log_file);
  std::string message;
  for (std::string line; std::getline(file, line);) {
    boost::system::error_code ec;
    const auto entry = boost::json::parse(line, ec);
    const auto* level = ec ? nullptr : api::find_member(entry, "level");
    const auto* text = ec ? nullptr : api::find_member(entry, "msg");
    if (level != nullptr && text != nullptr && text->is_string() && level->is_string() &&
        level->get_string() == "error") {
      message = std::string(text->get_string());
    }
  }
  return message;
}

void throw_runtime_failure(const std::string& what, int exit_status, const std::string& text) {
  static const std::regex kNotFound(
      R"((?:starting container process caused|unable to start container process): (exec: .*: (?:stat .*: no such file or directory|executable file not found in \$PATH)))");
  static const std::regex kNotFoundCrun(
      R"(executable file `?[^`]*`? not found|open executable: No such file or directory)");
  if (std::regex_search(text, kNotFound) || std::regex_search(text, kNotFoundCrun))
    throw api::ExecutableNotFoundError(text);
  throw api::GardenError(what + ": exit status " + std::to_string(exit_status) + ": " + text);
}

}  // namespace rivera::garden
