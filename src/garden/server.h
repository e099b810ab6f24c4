// The server: the gardener behind its API, from start to stop.
#pragma once

#include "base/process/program.h"
#include "garden/host/options.h"

namespace rivera::garden {

// Serves until a stop is requested; containers stay. The socket exists before the containers are found, requests are
// answered after that (docs/spec/garden.md §1.1).
asio::awaitable<void> serve(base::Program& program, Options options);

// Mounts the control groups that are missing on this host.
asio::awaitable<void> set_up(base::Program& program);

// Destroys every container of the depot and removes all that was made for them on this host.
asio::awaitable<void> clean_up(base::Program& program, Options options);

}  // namespace rivera::garden
