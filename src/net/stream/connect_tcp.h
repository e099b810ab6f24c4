// The one way to open a TCP connection to a host. For .cc files: it brings Asio's sockets with it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <boost/asio/ip/tcp.hpp>

#include "base/asio.h"

namespace rivera::net {

// `host` is an address or a name (resolver.h). A name's addresses are tried one after another, each for an equal share
// of the time that is left of `limit`; its look-up may take half of it. Throws boost::system::system_error with the
// last address's error (timed_out if it did not answer); host_not_found or host_not_found_try_again if there is no
// address. An address that was given as such is not limited here: the caller limits the whole.
asio::awaitable<asio::ip::tcp::socket> connect_tcp(std::string host, std::uint16_t port,
                                                   std::chrono::nanoseconds limit);

}  // namespace rivera::net
