// cfdot's help texts (docs/spec/access-and-tools.md §4.1, §4.3).
#pragma once

#include <string>

#include "cli/command.h"

namespace rivera::cli {

// Of cfdot itself: what it is, its commands.
std::string general_help();
// Of one command: what it does, usage, flags.
std::string command_help(const Command& command);
// The part printed after a usage error.
std::string command_usage(const Command& command);

}  // namespace rivera::cli
