// Command lines as Go's programs read them.
#pragma once

#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "base/config/config.h"

namespace rivera::base {

// Whose rules a command line follows. In both, "-name" and "--name" mean the same, "--name=" gives an empty value and
// never takes the next argument, a flag alone is true, and "--" ends the flags.
enum class FlagDialect {
  // Go's flag package: the argument after "-name" is its value in any case; the last of several counts.
  kGo,
  // go-flags: an argument that begins with "-" is no value of the flag before it (write "--name=-1"); values in double
  // quotes are unquoted; several values of a list are kept in order.
  kGoFlags,
};

// The command line is wrong; one line that names the flag.
class CommandLineError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A command line taken apart: values by flag, for ConfigFile with ConfigSource::kFlags, and what is no flag.
struct CommandLine {
  boost::json::object values;
  std::vector<std::string> positional;
};

// `arguments`: without the program's name. The names in `flags` have no dashes. Throws CommandLineError for a flag that
// is not there, and one that lacks its value.
CommandLine parse_command_line(const std::vector<std::string>& arguments, const ConfigKeys& flags, FlagDialect dialect);

// "--config  the configuration file", one line a flag that has a help text.
std::string flag_help(const ConfigKeys& flags);

// A text in double quotes without them, escapes resolved; any other text as it is.
std::string unquoted(const std::string& text);

// The arguments after the program's name, for CLI11, which takes the argument after "--name=" for its value: each
// "--name=" becomes "--name" and an empty argument. The order is CLI11's for vectors: reversed.
std::vector<std::string> arguments_for_cli11(int argc, const char* const* argv);

// What every server takes.
struct ServerArguments {
  std::string config_path;  // "" if there is none
  bool check_config = false;
};

// One more option of a server: with a value, or a flag.
struct ServerOption {
  std::string flag;  // "export"
  std::string help;
  std::variant<std::string*, bool*> target;  // where the value goes, if it is given
};

// Reads "-config <file>", "-check-config", "-help" and "-version" of a server, and `more`, as Go's flag package does.
// Prints and exits the process where that is asked for or the command line is wrong (status 2). `config_flag` is what
// the first is called beside "config".
ServerArguments parse_server_arguments(const std::string& name, const std::string& summary, int argc,
                                       const char* const* argv, const std::string& config_flag = "config",
                                       const std::vector<ServerOption>& more = {});

}  // namespace rivera::base
