// The command line of `./run up`.
#pragma once

#include <string>
#include <vector>

#include "cluster/commands.h"

namespace CLI {
class App;
}

namespace rivera::cluster {

struct UpArguments {
  UpOptions options;
  bool only_check = false;
  std::string port_base;
  std::vector<std::string> settings;  // KEY=VALUE

  // `options` with all settings. Throws Problem if one is not of that form.
  UpOptions all_options() const;
};

// Adds the sub-command, which fills in `arguments`.
CLI::App* add_up(CLI::App& app, UpArguments& arguments);

// A number of lines, for CLI11: what is wrong with it; "" if nothing is.
std::string check_lines(const std::string& text);

}  // namespace rivera::cluster
