// Copies bytes between two streams, in both directions.
#pragma once

#include <string>

#include "base/asio.h"
#include "net/stream/stream.h"

namespace rivera::gorouter {

// Writes `from_client`, which was read from the client earlier, first. Returns when either side has ended, with both
// closed. The streams must live until then.
asio::awaitable<void> relay(net::Stream& client, std::string from_client, net::Stream& backend,
                            asio::any_io_executor executor);

}  // namespace rivera::gorouter
