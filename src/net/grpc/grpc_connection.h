// One connection of a gRPC server: the bytes, the times, the calls. For the .cc files of this folder.
#pragma once

#include <memory>
#include <optional>

#include <boost/asio/cancellation_signal.hpp>

#include "base/work/wait.h"
#include "net/grpc/grpc_session.h"
#include "net/stream/stream_factory.h"

namespace rivera::net {

// Kept alive by its coroutines and by the server's table. Used on the server's executor.
class GrpcConnection : public std::enable_shared_from_this<GrpcConnection> {
 public:
  using Instant = GrpcSession::Instant;

  GrpcConnection(asio::any_io_executor executor, std::shared_ptr<GrpcShared> shared);

  // Serves until the connection has ended. Throws what ends the handshake.
  asio::awaitable<void> serve(std::shared_ptr<GrpcConnection> self, TcpSocket socket);

  asio::cancellation_slot cancellation_slot() { return cancel_.slot(); }
  // Takes no further calls, and ends when those under way have been answered.
  void finish();
  // Ends at once.
  void abort();
  // Since when it has no calls; nullopt while it has some.
  std::optional<Instant> idle_since() const;

 private:
  asio::awaitable<void> read();
  void close();
  asio::awaitable<void> write(std::shared_ptr<GrpcConnection> self);
  asio::awaitable<void> write_all();
  asio::awaitable<void> watch(std::shared_ptr<GrpcConnection> self);
  void begin_call(std::int32_t stream, std::shared_ptr<GrpcServerCall> call);
  asio::awaitable<void> run_call(std::shared_ptr<GrpcConnection> self, std::int32_t stream,
                                 std::shared_ptr<GrpcServerCall> call);

  asio::any_io_executor executor_;
  std::shared_ptr<GrpcShared> shared_;
  asio::cancellation_signal cancel_;  // of the handshake
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<GrpcSession> session_;
  base::Condition changed_;  // there may be something to write, or much has been written
  std::size_t running_ = 0;  // handlers that have not ended
  Pace pace_;
  Instant write_end_ = Instant::max();  // what is written now, or waits for the client's window, has to be gone by then
  Instant last_heard_{};
  Instant last_busy_{};
  bool has_pinged_ = false;
  bool is_finishing_ = false;  // takes no further calls
  bool is_broken_ = false;     // only what is to be sent is left
  bool is_closed_ = false;
  bool has_written_ = false;  // nothing will be written any more
  bool has_ended_ = false;    // there is no session any more
};

}  // namespace rivera::net
