// Random identifiers.
#pragma once

#include <string>

namespace rivera::base {

// A random (version 4) UUID in its usual 36 character form. Thread-safe.
// Throws std::runtime_error if the system gives no randomness.
std::string new_guid();

}  // namespace rivera::base
