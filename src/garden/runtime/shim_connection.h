// Garden's end of a connection to a container's shim.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "base/asio.h"
#include "garden/container/container.h"
#include "garden/host/context.h"
#include "garden/ids/id_mapping.h"
#include "garden/shim/protocol.h"
#include "net/stream/stream.h"

namespace rivera::garden {

// No shim listens on the socket, or it exited during the exchange.
class ShimGone : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One connection: a session with a process, or one question and its answer. One reader and one writer at a time: two
// would mix their frames up, and end the program (RIVERA_CHECK).
class ShimConnection {
 public:
  // Throws ShimGone.
  static asio::awaitable<std::unique_ptr<ShimConnection>> connect(const Context& context, Container& container);

  // Throws ShimGone.
  asio::awaitable<void> send(shim::FrameType type, std::string payload);
  // nullopt: the shim has closed the connection. Throws ShimGone if the connection broke.
  asio::awaitable<std::optional<shim::Frame>> receive();
  // Both, one after the other. Throws also base::DeadlineExceeded ("<what>: no answer within 30s").
  asio::awaitable<std::optional<shim::Frame>> exchange(shim::FrameType type, std::string payload,
                                                       std::chrono::nanoseconds limit, std::string what);
  // Ends both; pending operations fail.
  void close();

  // Over a stream that leads to a shim.
  explicit ShimConnection(std::unique_ptr<net::Stream> stream) : stream_(std::move(stream)) {}

 private:
  asio::awaitable<std::optional<shim::Frame>> send_and_receive(shim::FrameType type, std::string payload);

  std::unique_ptr<net::Stream> stream_;
  shim::FrameParser parser_;
  std::string buffer_;
  bool is_reading_ = false, is_writing_ = false;
};

// Sends one frame on a new connection and returns the answer. Throws ShimGone, or base::DeadlineExceeded.
asio::awaitable<shim::Frame> ask_shim(const Context& context, Container& container, shim::FrameType type,
                                      std::chrono::nanoseconds limit);

// The paths of what a shim has made for its container.
struct ShimNamespaces {
  std::string network;  // good until the container's first process has started
  std::string user;     // good as long as the shim lives; "": there is none
};

// Starts a shim that listens in `directory` and makes a network namespace; with an owner, a user namespace too. It
// holds `own_ids` (ids/id_ranges.h), unless their length is 0. Blocks. Throws std::runtime_error.
ShimNamespaces start_shim(const std::string& program, const std::string& directory, std::uint32_t owner,
                          const IdMapping& mapping, const IdMapping::Range& own_ids);

}  // namespace rivera::garden
