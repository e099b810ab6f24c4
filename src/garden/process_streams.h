// Output of processes on its way to clients (docs/spec/garden.md §1.8).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/asio.h"
#include "base/work/wait.h"
#include "garden/gardener/gardener.h"
#include "net/http/http_server.h"

namespace rivera::garden {

// One stream's bytes between a process and a client. Bounded: bytes that come while it is full are dropped, so that a
// client that does not read never delays the process.
class OutputBuffer {
 public:
  static constexpr std::size_t kCapacity = 8u << 20;

  explicit OutputBuffer(asio::any_io_executor executor) : changed_(executor) {}
  void push(std::string bytes);
  // No more bytes will come.
  void end();
  // Waits for bytes; "" once the stream has ended and all bytes are taken.
  asio::awaitable<std::string> pop();
  std::uint64_t dropped() const { return dropped_; }

 private:
  base::Condition changed_;
  std::deque<std::string> chunks_;
  std::size_t size_ = 0;
  std::uint64_t dropped_ = 0;
  bool has_ended_ = false;
};

struct ProcessOutput {
  explicit ProcessOutput(asio::any_io_executor executor) : output(executor), error(executor) {}
  OutputBuffer output, error;
  std::chrono::steady_clock::time_point ended_at{};  // zero: not yet
};

// Serves run and attach, and the output streams they lead to. Used on the gardener's executor only.
class ProcessStreams {
 public:
  ProcessStreams(asio::any_io_executor executor, Gardener& gardener, base::Logger logger);

  // Answers with `status`, then is a process stream until the process ends or the client leaves.
  asio::awaitable<void> serve(net::HttpExchange& exchange, ProcessSession session, int status);
  // Answers with the stream's bytes. An unknown stream ends at once.
  asio::awaitable<void> serve_output(net::HttpExchange& exchange, const std::string& stream_id, bool is_error);
  // Ends every stream: clients see the end of the connection, processes continue.
  void close_all();

 private:
  using MainStream = std::shared_ptr<net::Stream>;
  struct Session;
  asio::awaitable<void> forward_output(Session& session);
  static asio::awaitable<void> read_client(std::shared_ptr<Session> session);
  std::shared_ptr<ProcessOutput> begin(const std::string& id);
  void forget_old();

  asio::any_io_executor executor_;
  Gardener& gardener_;
  base::Logger logger_;
  std::uint64_t next_id_ = 1;
  std::map<std::string, std::shared_ptr<ProcessOutput>> outputs_;
  std::set<Session*> sessions_;
  bool is_closed_ = false;
};

}  // namespace rivera::garden
