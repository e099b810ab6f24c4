// One request and its answer (docs/spec/routing.md §3.8-3.16).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/work/wait.h"
#include "gorouter/proxy/client_connection.h"
#include "gorouter/proxy/data_plane.h"
#include "gorouter/proxy/sticky.h"
#include "gorouter/replies/failure.h"
#include "gorouter/replies/router_response.h"
#include "net/http1/http1.h"
#include "routing/route_pool.h"

namespace rivera::gorouter {

// Finds the route, tries endpoints, passes body and answer on, and writes the log line. Belongs to its connection,
// whose stream and reader it uses while it runs.
class Exchange {
 public:
  Exchange(ClientConnection& client, net::Http1Framing framing);
  ~Exchange();

  // True: the connection may serve another request.
  asio::awaitable<bool> run();
  void tick(Instant now);
  // The running response says that it is the last one, if it has not begun.
  void finish() { keep_ = false; }
  // Nothing more is to be waited for.
  void abort();

 private:
  using Decision = std::variant<RouterResponse, std::shared_ptr<routing::RoutePool>>;
  // Cheapest first: what needs no backend.
  Decision decide();
  Decision restrict(std::shared_ptr<routing::RoutePool> pool);
  bool is_health_check() const;

  asio::awaitable<void> respond(RouterResponse response);
  asio::awaitable<void> write_to_client(std::string_view bytes);
  asio::awaitable<void> proxy(std::shared_ptr<routing::RoutePool> pool);
  asio::awaitable<void> answer_failure(Failure failure);
  asio::awaitable<Failure> attempt(const routing::PoolElement& element);
  asio::awaitable<Failure> converse();
  asio::awaitable<void> send_request(ExchangeState& state);
  asio::awaitable<bool> read_response_head(bool stop_at_continue);
  asio::awaitable<void> await_permission();
  asio::awaitable<void> deliver(net::Http1Framing framing);
  asio::awaitable<void> send_response_body(std::string out, bool chunked);
  asio::awaitable<void> tunnel();
  std::string response_head(net::Http1Framing framing);
  void count_answer(FailureClass kind);

  // The rest of the request's body, beside the response; after the response it is read and thrown away for a while.
  void start_pump();
  asio::awaitable<void> pump();
  asio::awaitable<void> forward_piece(std::string_view piece);
  asio::awaitable<void> finish_request_body();
  void append_buffered_body(std::string& out);
  bool body_pending() const { return !client_.reader_.body_complete(); }

  void write_log();

  ClientConnection& client_;
  DataPlane& plane_;
  const Config& config_;
  const net::Http1Request& request_;
  net::Http1Framing framing_;
  Instant started_;
  AccessRecord record_;

  std::string request_id_;
  std::string forwarded_for_;
  std::string forwarded_proto_;
  StickyWish sticky_;
  std::shared_ptr<routing::RoutePool> pool_;
  std::shared_ptr<const routing::Endpoint> endpoint_;
  std::shared_ptr<BackendConnection> backend_;
  net::Http1Response response_;   // views into backend_->head
  std::shared_ptr<int> counted_;  // the endpoint's counter while we wait for a head

  bool keep_;
  bool is_head_ = false;
  bool is_upgrade_ = false;
  bool expects_continue_ = false;  // the client waits for 100 before it sends its body
  bool response_begun_ = false;
  bool body_begun_ = false;      // some of the request's body went to a backend
  bool body_forwarded_ = false;  // all of it did
  bool waiting_for_head_ = false;
  bool timed_out_ = false;
  bool client_gone_ = false;
  bool bad_body_ = false;    // what the client sent as its body is malformed
  bool discarding_ = false;  // what still comes of the body is of no interest
  bool pump_running_ = false;
  std::uint64_t discarded_ = 0;
  std::optional<base::Condition> pump_ended_;
  Instant deadline_;
};

}  // namespace rivera::gorouter
