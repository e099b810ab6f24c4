#include "garden/runtime/runtime.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>

#include <boost/json/parse.hpp>

#include "base/process/subprocess.h"
#include "clients/garden/garden_types.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

class OciRuntime final : public Runtime {
 public:
  explicit OciRuntime(const Options& options)
      : program_(options.runtime), extra_(options.runtime_extra_args), root_(options.run_dir + "/runtime") {}

  std::vector<std::string> run_command(const std::string& id, const std::string& bundle, const std::string& pid_file,
                                       const std::string& log) const override {
    auto command = begin(log);
    append(command, {"run", "--detach", "--no-new-keyring", "--bundle", bundle, "--pid-file", pid_file, id});
    return command;
  }

  std::vector<std::string> exec_command(const std::string& id, const std::string& process_file,
                                        const std::string& pid_file, const std::string& log,
                                        const std::string& console_socket) const override {
    auto command = begin(log);
    append(command, {"exec", "--detach", "--pid-file", pid_file, "-p", process_file});
    if (!console_socket.empty()) append(command, {"--tty", "--console-socket", console_socket});
    command.push_back(id);
    return command;
  }

  void remove(const std::string& id) const override {
    if (!std::filesystem::exists(root_ + "/" + id)) return;
    std::vector<std::string> command{program_, "--root", root_};
    append(command, extra_);
    append(command, {"delete", "--force", id});
    base::must_run(command);
  }

  std::string id_of(const std::string& handle) const override {
    const bool plain = std::all_of(handle.begin(), handle.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '_' || c == '+' || c == '-' || c == '.';
    });
    if (plain && handle.size() <= 128) return handle;
    return "handle-" + std::to_string(std::hash<std::string>()(handle));
  }

  std::string name() const override { return std::filesystem::path(program_).filename(); }

 private:
  std::vector<std::string> begin(const std::string& log) const {
    std::vector<std::string> command{program_, "--root", root_, "--log", log, "--log-format", "json"};
    append(command, extra_);
    return command;
  }
  static void append(std::vector<std::string>& command, const std::vector<std::string>& words) {
    command.insert(command.end(), words.begin(), words.end());
  }

  std::string program_;
  std::vector<std::string> extra_;
  std::string root_;
};

}  // namespace

std::unique_ptr<Runtime> make_oci_runtime(const Options& options) { return std::make_unique<OciRuntime>(options); }

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
