// A running container's root directory, and whether it still runs.
#pragma once

#include "garden/bundle/users.h"
#include "garden/container/container.h"

namespace rivera::garden {

// Whether the process has ended, or there is no descriptor of it.
bool has_ended(const base::UniqueFd& pidfd);

// The container's root directory as its processes see it. Blocks. Throws GardenError if its first process has ended.
base::UniqueFd open_root(const Container& container);

// Throws GardenError unless the user namespace of `mapping` has these ids.
void check_ids_are_mapped(const IdMapping& mapping, const ResolvedUser& user);

}  // namespace rivera::garden
