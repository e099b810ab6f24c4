#include "base/testing/places.h"

namespace rivera::base {

// The only file that is compiled with the build's own directories: objects of all others can be shared between builds.
std::string source_dir() { return RIVERA_SOURCE_DIR; }
std::string bin_dir() { return RIVERA_BIN_DIR; }

}  // namespace rivera::base
