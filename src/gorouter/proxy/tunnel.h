// Bytes both ways between two streams.
#pragma once

#include <string>

#include "base/asio.h"
#include "net/stream/stream.h"

namespace rivera::gorouter {

// `from_client` has been read from the client already and goes first. Returns when either side has ended; both are
// closed then. The streams must live until the return.
asio::awaitable<void> relay(net::Stream& client, std::string from_client, net::Stream& backend,
                            asio::any_io_executor executor);

}  // namespace rivera::gorouter
