// One request and its response (docs/spec/routing.md §3.8-3.16).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "gorouter/proxy/attempt.h"
#include "gorouter/proxy/client_connection.h"
#include "gorouter/proxy/data_plane.h"
#include "gorouter/proxy/request_body.h"
#include "gorouter/proxy/request_traits.h"
#include "gorouter/proxy/sticky.h"
#include "gorouter/replies/failure.h"
#include "gorouter/replies/router_response.h"
#include "net/http1/http1.h"
#include "routing/route_pool.h"

namespace rivera::gorouter {

// Finds the route, makes attempts at its endpoints, passes the response on, and writes the access log's line. Belongs
// to its client's connection, whose stream and reader it uses while it runs.
class Exchange {
 public:
  Exchange(ClientConnection& client, net::Http1Framing framing);
  ~Exchange();

  // True if the connection may serve another request.
  asio::awaitable<bool> run();
  void tick(Instant now);
  // The response ends the connection, unless its head has been written.
  void finish() { keep_alive_ = false; }
  // Ends the exchange at once.
  void abort();

 private:
  using Decision = std::variant<RouterResponse, std::shared_ptr<routing::RoutePool>>;
  // Cheapest first: what needs no backend.
  Decision decide();
  Decision restrict(std::shared_ptr<routing::RoutePool> pool);
  bool is_health_check() const;

  asio::awaitable<void> respond(RouterResponse response);
  asio::awaitable<void> write_to_client(std::string_view bytes);
  asio::awaitable<void> answer_failure(Failure failure);
  void count_failure(FailureClass kind);

  asio::awaitable<void> proxy(std::shared_ptr<routing::RoutePool> pool);
  // One endpoint, over a second connection if the first was idle and turns out to be closed.
  asio::awaitable<Failure> try_endpoint(const routing::PoolElement& element);
  asio::awaitable<Failure> run_attempt();
  asio::awaitable<void> send_request();
  std::string request_head();
  asio::awaitable<void> await_permission();
  asio::awaitable<bool> read_final_head(bool stop_at_continue);
  asio::awaitable<void> deliver(net::Http1Framing framing);
  std::string response_head(net::Http1Framing framing);
  asio::awaitable<void> send_response_body(std::string out, bool chunked);
  asio::awaitable<void> tunnel();

  // The request's body was not wanted, or the response came before its end.
  asio::awaitable<void> finish_request_body();
  bool client_disconnected() const { return disconnected_ || body_.fault() == RequestBody::Fault::kDisconnected; }
  void write_log();

  ClientConnection& client_;
  DataPlane& plane_;
  const Config& config_;
  const net::Http1Request& request_;
  net::Http1Framing framing_;
  RequestTraits traits_;
  Instant started_;
  AccessRecord record_;
  RequestBody body_;

  std::string request_id_;
  std::string forwarded_for_;
  std::string forwarded_proto_;
  StickyRequest sticky_;
  std::shared_ptr<routing::RoutePool> pool_;
  std::shared_ptr<const routing::Endpoint> endpoint_;  // the last one tried, for the log
  std::optional<Attempt> attempt_;                     // the running one

  bool keep_alive_;  // the connection may serve another request
  bool response_begun_ = false;
  bool disconnected_ = false;              // the client closed the connection, or does not take what is written to it
  Instant own_deadline_ = Instant::max();  // of what concerns the client alone: an answer of ours, the rest of its body
};

}  // namespace rivera::gorouter
