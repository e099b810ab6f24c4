// Where tests find recorded data and the programs that were built with them.
#pragma once

#include <string>

namespace rivera::base {

// The root of the sources ("…/tests/golden" is below it), without a slash at its end.
std::string source_dir();
// The directory of the programs of this build, without a slash at its end.
std::string bin_dir();

}  // namespace rivera::base
