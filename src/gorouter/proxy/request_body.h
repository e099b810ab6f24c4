// The body of one request: forwarded to a backend as it arrives, or read and discarded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/work/wait.h"
#include "gorouter/backends/backend_pool.h"
#include "net/http1/http1_reader.h"

namespace rivera::gorouter {

// Lives on its connection's strand. While is_moving(), a coroutine of this object reads from the client: await
// stopped() before the object is destroyed.
class RequestBody {
 public:
  enum class Fault {
    kNone,
    kMalformed,     // the client's bytes are no body
    kDisconnected,  // reading from the client failed
  };

  // `client` and `reader` belong to the client's connection; `reader` is at the beginning of the body.
  RequestBody(asio::any_io_executor executor, net::Stream& client, net::Http1Reader& reader, net::Http1Framing framing);

  // Appends the part of the body that has been read ahead, framed for the backend. Throws net::Http1Error.
  void append_buffered(std::string& out);
  // Forwards the rest beside the caller. A backend that stops reading is no error: it may still respond. A fault of the
  // client closes the backend's connection.
  void start_forwarding(std::shared_ptr<BackendConnection> backend);
  // What still arrives is discarded.
  void stop_forwarding();
  // Reads and discards the rest, up to a limit: is_pending() if the limit was reached. The caller limits the time.
  asio::awaitable<void> discard_rest();
  asio::awaitable<void> stopped();

  // Some of it has not been read from the client.
  bool is_pending() const { return !reader_.body_complete(); }
  bool is_moving() const { return pump_ != Pump::kStopped; }
  // A backend may have received some of it: the request cannot be sent to another one.
  bool has_started() const { return progress_ != Progress::kNotStarted; }
  // A backend has received all of it.
  bool is_forwarded() const;
  Fault fault() const { return fault_; }
  // Bytes read from the client, without framing.
  std::uint64_t received() const { return received_; }

 private:
  enum class Progress { kNotStarted, kStarted, kForwarded };
  enum class Pump { kStopped, kForwarding, kDiscarding };

  void start_pump(Pump mode);
  asio::awaitable<void> pump();
  asio::awaitable<void> forward(std::string_view piece);
  void append_end(std::string& out) const;

  asio::any_io_executor executor_;
  net::Stream& client_;
  net::Http1Reader& reader_;
  bool chunked_;
  Progress progress_ = Progress::kNotStarted;
  Pump pump_ = Pump::kStopped;
  Fault fault_ = Fault::kNone;
  std::shared_ptr<BackendConnection> backend_;  // while forwarding
  std::uint64_t received_ = 0;
  std::uint64_t discarded_ = 0;
  std::optional<base::Condition> pump_stopped_;  // most requests need none
};

}  // namespace rivera::gorouter
