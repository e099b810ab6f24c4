// How streams are made from sockets. For .cc files: it brings Asio's sockets with it.
#pragma once

#include <chrono>
#include <memory>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "net/stream/stream.h"
#include "net/stream/tls.h"
#include "net/stream/tls_failure.h"

namespace rivera::net {

using TcpSocket = asio::ip::tcp::socket;
using UnixSocket = asio::local::stream_protocol::socket;

std::unique_ptr<Stream> make_stream(TcpSocket socket);
std::unique_ptr<Stream> make_stream(UnixSocket socket);

// The server's and the client's TLS handshake. Throw TlsHandshakeError where TLS itself fails, else
// boost::system::system_error.
asio::awaitable<std::unique_ptr<Stream>> accept_tls(TcpSocket socket, TlsContext context,
                                                    std::chrono::nanoseconds limit);
asio::awaitable<std::unique_ptr<Stream>> connect_tls(TcpSocket socket, TlsContext context, std::string server_name,
                                                     std::chrono::nanoseconds limit);

// A stream whose first bytes were read already.
std::unique_ptr<Stream> with_read_ahead(std::unique_ptr<Stream> stream, std::string read_ahead);

}  // namespace rivera::net
