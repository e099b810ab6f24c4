// Options of `garden server` in a file (docs/spec/garden.md §5.3).
#pragma once

#include <string>
#include <vector>

namespace rivera::garden {

// The options below [server] in an INI file, in its order, as arguments "--name=value". A value in double quotes is
// unquoted by the reader of the arguments; "# …" and "; …" are comments. Throws std::invalid_argument, naming file and
// line, for a line that is none of that or stands in another section, and if the file cannot be read.
std::vector<std::string> read_ini_arguments(const std::string& path);

}  // namespace rivera::garden
