// Whether this host can do what the flags about security ask for.
#pragma once

#include "garden/host/options.h"

namespace rivera::garden {

// Throws std::runtime_error if containers would be less confined than the flags say. Blocks.
void check_security_options(const Options& options);

}  // namespace rivera::garden
