// The system calls an unprivileged container may make (docs/spec/garden.md §2.6), in the OCI runtime's form.
#pragma once

#include <boost/json/object.hpp>

namespace rivera::garden {

boost::json::object seccomp_profile();

}  // namespace rivera::garden
