// The parts of every container, in order.
#pragma once

#include "garden/container/part.h"
#include "garden/host/context.h"
#include "garden/network/networker.h"

namespace rivera::garden {

struct PartList {
  Parts parts;
  Networker* networker = nullptr;  // one of the parts
};

// A new aspect of containers is a new line here. The runtime's part is the last: it starts the container with what the
// others prepared, side by side, and ends it before they clean up, side by side.
PartList make_parts(const Context& context);

}  // namespace rivera::garden
