// ./run logs and ./run status
#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "cluster/commands.h"
#include "cluster/lost_cluster.h"
#include "cluster/prepare/component.h"
#include "cluster/prepare/preflight.h"
#include "cluster/run_coroutine.h"
#include "cluster/settings/log_files.h"
#include "cluster/settings/terminal.h"
#include "cluster/status.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

Settings settings_of(const fs::path& var_dir) {
  if (settings_exist(var_dir)) return load_settings(var_dir);
  if (const auto lost = find_lost_cluster({}, var_dir)) {
    throw Problem(
        fmt::format("the cluster that was started here runs, but its files were removed: stop what is left "
                    "of it with ./run down: {}",
                    processes_text(*lost)));
  }
  throw Problem("no cluster has been started here: start one with ./run");
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

fs::path find_log(const Settings& settings, const std::string& name) {
  std::string known = "supervisor";
  for (const Component& component : components(settings)) known += ", " + component.name;
  if (is_plain_name(name)) {
    for (const fs::path& file : {settings.log_dir() / (name + ".log"), settings.app_log_dir() / (name + ".log")}) {
      if (fs::exists(file) || fs::exists(file.string() + ".1")) return file;
    }
  }
  throw Problem(
      fmt::format("nothing is logged for \"{}\": give a process guid, a task guid, or one of {}", name, known));
}

}  // namespace

int show_logs(const fs::path& var_dir, const std::string& name, bool follow, int lines) {
  const Settings settings = settings_of(var_dir);
  LogReader log(find_log(settings, name));
  PlainText plain;
  // What goes to a terminal is plain text: applications write their own logs.
  const auto show = [&plain](std::string_view text) { print(is_terminal() ? plain.take(text) : std::string(text)); };
  log.read_last(static_cast<std::size_t>(std::max(0, lines)), show);
  if (!follow) {
    print(plain.finish());
    return 0;
  }
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    log.read_new(show);
  }
}

int show_status(const fs::path& var_dir, bool as_json) {
  require_root();  // the keys that open the cluster are root's
  const Settings settings = settings_of(var_dir);
  const ClusterStatus status = run_coroutine(fetch_status(settings));
  print(as_json ? to_json_text(status) + "\n" : to_text(status, true));
  if (as_json && !status.problem.empty()) fmt::print(stderr, "rivera: {}\n", plain_text(status.problem));
  return status.problem.empty() ? 0 : 1;
}

}  // namespace rivera::cluster
