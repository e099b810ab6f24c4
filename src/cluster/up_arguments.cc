#include "cluster/up_arguments.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cluster/prepare/preflight.h"

namespace rivera::cluster {

UpOptions UpArguments::all_options() const {
  UpOptions out = options;
  if (!port_base.empty()) out.overrides.emplace_back("port_base", port_base);
  for (const std::string& setting : settings) {
    const auto equals = setting.find('=');
    if (equals == std::string::npos) throw Problem("--set wants key=value, not " + setting);
    out.overrides.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  return out;
}

CLI::App* add_up(CLI::App& app, UpArguments& arguments) {
  auto* up = app.add_subcommand("up", "start the cluster, a sample application and a task (what ./run alone does)");
  up->footer("Settings for --set, with their defaults:\n" + settings_help());
  up->add_option("--port-base", arguments.port_base,
                 "first port of the block of 100 the cluster listens on (default 28000)");
  up->add_option("--set", arguments.settings,
                 "a setting of var/cluster.json, as key=value; may be given more than once");
  up->add_flag("!--no-sample", arguments.options.sample, "without the sample application and task");
  up->add_flag("--check", arguments.only_check, "say what would be refused, and start nothing");
  return up;
}

std::string check_lines(const std::string& text) {
  const bool is_number = !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
  return is_number ? "" : fmt::format("expected a number of lines, not \"{}\"", text);
}

}  // namespace rivera::cluster
