// The system calls an unprivileged container may make (docs/spec/garden.md §2.6), in the OCI runtime's form.
#pragma once

#include <boost/json/object.hpp>

namespace rivera::garden {

// With `is_restricted` without what one container can use up for the whole machine (contexts of asynchronous I/O),
// sockets to the hypervisor (AF_VSOCK), and calls in the 32 bit form, in which a socket's family cannot be seen.
boost::json::object seccomp_profile(bool is_restricted);

}  // namespace rivera::garden
