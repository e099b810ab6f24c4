// The one way to open a TCP connection to a host. For .cc files: it brings Asio's sockets with it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/ip/tcp.hpp>

#include "base/asio.h"
#include "base/work/first_success.h"
#include "net/names/resolver.h"
#include "net/stream/destination_policy.h"
#include "net/stream/stream_factory.h"

namespace rivera::net {

// What makes a connection of use: a TLS handshake, a greeting.
template <typename Connection>
using PrepareSocket = std::function<asio::awaitable<Connection>(TcpSocket)>;

// Gives up at `end`. Throws boost::system::system_error (timed_out).
asio::awaitable<TcpSocket> open_tcp(asio::ip::address address, std::uint16_t port,
                                    std::chrono::steady_clock::time_point end);

// Of a name with more addresses, no more than these are tried.
constexpr std::size_t kMostAddresses = 16;
// A connection that has not been made after so long is waited for while the next address is tried (RFC 8305).
constexpr std::chrono::nanoseconds kNextAddressAfter = std::chrono::milliseconds(300);

template <typename Connection>
asio::awaitable<void> prepare_at(asio::ip::address address, std::uint16_t port,
                                 std::chrono::steady_clock::time_point end, PrepareSocket<Connection> prepare,
                                 std::shared_ptr<std::optional<Connection>> into) {
  TcpSocket socket = co_await open_tcp(address, port, end);
  Connection made = co_await prepare(std::move(socket));
  if (!into->has_value()) into->emplace(std::move(made));
}

// `host` is an address or a name (resolver.h). A name's addresses are tried beside one another, each one a moment after
// the one before it: the first at which a socket was connected and prepared wins, so that a server that accepts
// connections and says nothing does not keep the client from another. `limit` is for the look-up, which may take half
// of it, and TCP; `prepare` limits itself. What `prepare` refers to is kept by it: it may be resumed once more after
// this has returned or was cancelled. Addresses that `destinations` denies are left out.
//
// Throws the last address's failure: boost::system::system_error (timed_out if it did not answer), or what `prepare`
// throws; host_not_found or host_not_found_try_again if there is no address, destination_denied() if all are denied.
template <typename Connection>
asio::awaitable<Connection> connect_first(std::string host, std::uint16_t port, std::chrono::nanoseconds limit,
                                          PrepareSocket<Connection> prepare, DestinationPolicy destinations = {}) {
  const auto end = std::chrono::steady_clock::now() + limit;
  auto found = co_await resolve(host, limit / 2);
  const auto addresses = destinations.allowed_of(host, port, std::move(found));
  const std::size_t count = std::min(addresses.size(), kMostAddresses);
  const auto stagger = std::min(kNextAddressAfter, limit / static_cast<std::int64_t>(count + 1));
  auto made = std::make_shared<std::optional<Connection>>();
  auto attempt = [addresses, port, end, prepare, made](std::size_t i) {
    return prepare_at<Connection>(addresses[i], port, end, prepare, made);
  };
  co_await base::first_success(count, stagger, attempt);
  co_return std::move(made->value());
}

}  // namespace rivera::net
