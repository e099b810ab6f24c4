// A two-way byte stream: TCP, TLS over TCP, or a Unix socket behind one interface.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/asio.h"

namespace rivera::net {

// Used by one reader and one writer at a time, on the executor it was made with. Closed by its destructor.
// Every failure is boost::system::system_error; the end of the input is read_some() returning 0.
class Stream {
 public:
  virtual ~Stream() = default;

  // At least one byte, or 0 at the end of the stream.
  virtual asio::awaitable<std::size_t> read_some(std::span<char> into) = 0;
  // All of `bytes`, which must stay valid until the return.
  virtual asio::awaitable<void> write(std::string_view bytes) = 0;
  // Says to the peer that nothing more will be sent; reading is still possible.
  virtual asio::awaitable<void> shutdown_write() = 0;
  // Ends everything at once; pending operations fail.
  virtual void close() = 0;
  // From now on each operation that takes longer fails with asio::error::timed_out (reads and writes are limited
  // independently). Zero: no limit, the default.
  virtual void set_timeout(std::chrono::nanoseconds limit) = 0;
  // From now on operations fail likewise once `end` has passed, however many bytes have come before it: what limits a
  // whole message. time_point::max(): no limit, the default.
  virtual void set_deadline(std::chrono::steady_clock::time_point end) = 0;
  // Bytes that the kernel has accepted for sending so far, those of TLS records included. If a failed write() has not
  // changed it, the peer has seen nothing.
  virtual std::uint64_t bytes_sent() const = 0;

  // True if bytes, or the end of the stream, have arrived and wait to be read: so a kept-alive connection is known to
  // have been closed by its peer. Never blocks.
  virtual bool has_pending_input() = 0;
  // True if the peer has said that it sends nothing more, or the connection is broken, even if bytes wait to be read.
  // Never blocks.
  virtual bool peer_closed() = 0;

  virtual asio::any_io_executor executor() = 0;
  // "10.0.0.1:41234", or "" for a Unix socket.
  virtual std::string peer_address() const = 0;
  virtual std::string local_address() const = 0;
  // The peer's verified certificate: subject common name and organizational units; empty without mutual TLS.
  struct PeerIdentity {
    std::string common_name;
    std::vector<std::string> organizational_units;
    std::vector<std::string> dns_names;
    std::string certificate_pem;
  };
  virtual PeerIdentity peer_identity() const { return {}; }
  virtual bool is_tls() const { return false; }
};

}  // namespace rivera::net
