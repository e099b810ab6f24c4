// The environment in which a shell can use the cluster.
#pragma once

#include <string>

#include "cluster/settings/settings.h"

namespace rivera::cluster {

// Writes <var>/env, to be read by a shell: the variables of cfdot, and a PATH that finds it.
void write_shell_environment(const Settings& settings);

// The text, quoted as one word of a shell.
std::string shell_quoted(const std::string& text);

// Commands to try, after a ./run.
void print_what_next(const Settings& settings);

}  // namespace rivera::cluster
