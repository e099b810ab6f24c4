// Command lines in Go's style: "-config file" and "--config=file" mean the same.
#pragma once

#include <string>
#include <variant>
#include <vector>

namespace rivera::base {

// The arguments after the program's name with each "-long" spelled "--long", for CLI11. Arguments after "--" stay.
// A single dash before one letter stays as it is. Negative numbers stay as they are.
std::vector<std::string> go_style_arguments(int argc, const char* const* argv);

// What every server takes.
struct ServerArguments {
  std::string config_path;
  bool check_config = false;
};

// One more option of a server: with a value, or a flag.
struct ServerOption {
  std::string flag;  // "--export"
  std::string help;
  std::variant<std::string*, bool*> target;  // where the value goes, if it is given
};

// Reads "-config <file>", "-check-config", "--help" and "--version" of a server, and `more`. Prints and exits the
// process where that is asked for or the command line is wrong (status 2). `config_flags` names the flag, e.g.
// "--config" or "-c,--config".
ServerArguments parse_server_arguments(const std::string& name, const std::string& summary, int argc,
                                       const char* const* argv, const std::string& config_flags = "--config",
                                       const std::vector<ServerOption>& more = {});

}  // namespace rivera::base
