// rivera: the tool behind ./run.
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/config/command_line.h"
#include "cluster/commands.h"
#include "cluster/settings/terminal.h"
#include "cluster/up_arguments.h"

namespace {

namespace fs = std::filesystem;

fs::path own_directory() { return fs::read_symlink("/proc/self/exe").parent_path(); }

// Where a build puts programs is three levels below the sources: build/<preset>/bin.
fs::path source_directory() { return own_directory().parent_path().parent_path().parent_path(); }

constexpr int kUsageStatus = 2;

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Rivera on one machine: a whole cluster, started, watched and stopped"};
  app.name("./run");
  app.require_subcommand(1);
  std::string var = (source_directory() / "var").string();
  rivera::cluster::UpArguments up;
  up.options.samples_dir = source_directory() / "samples";
  app.add_option("--var", var, "where the cluster keeps everything it writes")->capture_default_str();
  rivera::cluster::add_up(app, up);
  auto* down = app.add_subcommand("down", "stop everything, keep the state");
  auto* status = app.add_subcommand("status", "show components, cells, applications and tasks");
  bool as_json = false;
  status->add_flag("--json", as_json, "as one JSON object");
  auto* logs = app.add_subcommand("logs", "print what an application, a task or a component has logged");
  std::string name;
  bool follow = false;
  int lines = 200;
  logs->add_option("name", name, "a process guid, a task guid or a component")->required();
  logs->add_flag("-f,--follow", follow, "print more as it is logged");
  logs->add_option("-n,--lines", lines, "how many of the last lines")
      ->capture_default_str()
      ->check(rivera::cluster::check_lines);
  auto* supervise = app.add_subcommand("supervise", "")->group("");
  for (CLI::App* command : app.get_subcommands({})) command->fallthrough();
  try {
    app.parse(rivera::base::arguments_for_cli11(argc, argv));
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kUsageStatus;
  }
  const fs::path var_dir = fs::absolute(var).lexically_normal();
  if (*down) return rivera::cluster::down(own_directory(), var_dir);
  if (*status) return rivera::cluster::show_status(var_dir, as_json);
  if (*logs) return rivera::cluster::show_logs(var_dir, name, follow, lines);
  if (*supervise) return rivera::cluster::supervise(var_dir);
  if (up.only_check) return rivera::cluster::check_up(own_directory(), var_dir, up.all_options());
  return rivera::cluster::up(own_directory(), var_dir, up.all_options());
} catch (const std::exception& e) {
  fmt::print(stderr, "\nrivera: {}\n", rivera::cluster::plain_text(e.what()));
  return 1;
}
