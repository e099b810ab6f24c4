// Brings up the sample through the public APIs, as a user would.
#pragma once

#include "base/asio.h"
#include "cluster/settings/settings.h"

namespace rivera::cluster {

// Desires the sample application unless it is there, waits until every instance runs and answers through the router,
// runs the sample task and prints its result. Progress is printed. Throws Problem if a step takes too
// long.
asio::awaitable<void> bring_up_sample(Settings settings);

}  // namespace rivera::cluster
