// Which OCI runtime this host's containers are created by.
#pragma once

#include <string>

#include "garden/host/host.h"
#include "garden/host/options.h"

namespace rivera::garden {

struct RuntimeChoice {
  std::string program;
  std::string reason;  // why not the first choice; "" if it is that
};

// crun, which starts a container in half the time, if it starts one with our configuration here; else runc. Blocks for
// about 50 ms.
RuntimeChoice choose_runtime(const Options& options, const Host& host);

// Creates a container as ours are, but without a network, and deletes it. "" if that works, else what went wrong.
// Leaves nothing. Blocks.
std::string obstacle_to_runtime(const std::string& program, Options options, const Host& host);

}  // namespace rivera::garden
