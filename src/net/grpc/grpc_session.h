// The HTTP/2 of one connection of a gRPC server: bytes in, calls and bytes out. For the .cc files of this folder.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "net/grpc/grpc_server.h"
#include "net/limits/head_budget.h"

struct nghttp2_session;

namespace rivera::net {

// What the connections of a server share.
struct GrpcShared {
  GrpcShared(GrpcServerOptions given, GrpcHandler handle, base::Logger log)
      : options(std::move(given)),
        handler(std::move(handle)),
        logger(std::move(log)),
        requests(std::make_shared<HeadBudget>(options.requests_limit)) {}

  const GrpcServerOptions options;
  const GrpcHandler handler;
  const base::Logger logger;
  const std::shared_ptr<HeadBudget> requests;
  std::size_t running = 0;  // handlers that have not ended
  std::size_t unsent = 0;   // bytes of responses
};

// Does no I/O and keeps no time. Used on the server's executor.
class GrpcSession {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  // A call is complete. Answer it by its stream, now or later.
  using Begin = std::function<void(std::int32_t stream, std::shared_ptr<GrpcServerCall> call)>;

  GrpcSession(GrpcShared& shared, Caller caller, Begin begin);
  ~GrpcSession();

  // False: the client has broken the protocol, or done too much that is of no use. Send the rest of the output and end
  // the connection.
  bool receive(std::string_view bytes);
  // What is to be sent, about `limit` bytes of it.
  std::string take_output(std::size_t limit);
  // Does nothing if the stream has ended.
  void answer(std::int32_t stream, GrpcReply reply);
  // Answers the calls whose requests have begun before `limit` and are not complete. Whether there were any.
  bool end_incomplete(Instant limit);
  void ping();
  // No further calls.
  void go_away();

  bool is_greeted() const { return is_greeted_; }  // the client's settings have come
  bool has_streams() const { return !streams_.empty(); }
  bool has_unsent() const { return unsent_ > 0; }
  // Nothing is to be read or written any more.
  bool is_over() const;
  // So much waits to be sent that nothing more is to be received before.
  bool is_clogged() const;

 private:
  struct Stream;
  struct Callbacks;

  Stream* find(std::int32_t id);
  bool begin_stream(std::int32_t id);
  bool add_header(Stream& stream, std::string_view name, std::string_view value);
  void add_data(Stream& stream, std::string_view bytes);
  void complete(Stream& stream);
  void answer(Stream& stream, GrpcReply reply);
  void refuse(Stream& stream, const char* http_status);
  void end_stream(std::int32_t id);
  std::size_t read_output(Stream& stream, std::uint8_t* into, std::size_t size);

  GrpcShared& shared_;
  Caller caller_;
  Begin begin_;
  std::map<std::int32_t, std::unique_ptr<Stream>> streams_;
  std::size_t unsent_ = 0;
  bool is_greeted_ = false;
  nghttp2_session* session_ = nullptr;
};

}  // namespace rivera::net
