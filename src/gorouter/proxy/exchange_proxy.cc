// The part of Exchange that speaks with backends (docs/spec/routing.md §3.12-3.16).
#include <algorithm>

#include <boost/asio/error.hpp>
#include <fmt/format.h>

#include "base/work/wait.h"
#include "gorouter/proxy/exchange.h"
#include "gorouter/proxy/retry.h"
#include "gorouter/proxy/tunnel.h"
#include "gorouter/replies/headers.h"

namespace rivera::gorouter {
namespace {

using FramingKind = net::Http1Framing::Kind;

constexpr auto kPermissionLimit = std::chrono::seconds(1);

std::int64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

Failure no_endpoints() { return {FailureClass::kNoEndpoints, "No endpoints available"}; }

}  // namespace

asio::awaitable<void> Exchange::proxy(std::shared_ptr<routing::RoutePool> pool) {
  pool_ = std::move(pool);
  const StickyRules rules{config_.sticky_cookie_names, config_.secure_cookies, config_.sticky_for_negotiate};
  sticky_ = sticky_request(request_.fields, rules);
  forwarded_for_ = forwarded_for(request_, client_.peer_ip_);
  forwarded_proto_ = forwarded_proto(request_, client_.stream_->is_tls(), config_);

  routing::EndpointChooser chooser(
      pool_, {config_.max_conns, config_.prefer_zone, config_.zone, sticky_.instance, sticky_.must_stick},
      plane_.next_random());
  std::vector<std::string> tried;
  Failure failure = no_endpoints();
  const auto proxy_started = std::chrono::steady_clock::now();
  for (int number = 1; number <= config_.max_attempts; ++number) {
    const auto element = chooser.next(std::chrono::steady_clock::now());
    if (!element) break;
    const std::string& address = element->endpoint->address;
    const bool again = std::find(tried.begin(), tried.end(), address) != tried.end();
    if (again && static_cast<std::size_t>(number) > pool_->elements().size()) break;
    tried.push_back(address);
    endpoint_ = element->endpoint;
    ++plane_.probe.total_requests;
    failure = co_await try_endpoint(*element);
    if (failure.kind == FailureClass::kNone) break;
    plane_.logger.error("backend-endpoint-failed",
                        {{"route-endpoint", address}, {"error", failure.text}, {"attempt", number}});
    const auto now = std::chrono::steady_clock::now();
    if (marks_failed(failure.kind)) chooser.mark_failed(*endpoint_, now);
    if (endpoint_->tls && prunes_tls_endpoint(failure.kind)) plane_.registry.remove_failed(*pool_, *endpoint_, now);
    const FailedAttempt failed{failure.kind, false, traits_.is_idempotent, body_.has_started(), client_disconnected()};
    if (next_attempt_after(failed) == NextAttempt::kNone) break;
  }
  record_.gorouter_time = (proxy_started - started_);
  if (failure.kind == FailureClass::kNone || response_begun_) co_return;
  co_await answer_failure(std::move(failure));
}

asio::awaitable<void> Exchange::answer_failure(Failure failure) {
  if (body_.fault() == RequestBody::Fault::kMalformed) {
    keep_alive_ = false;
    response_begun_ = true;
    record_.status = 400;
    const std::string answer = malformed_request_response(400, "malformed request body");
    co_await write_to_client(answer);
    co_return;
  }
  count_failure(failure.kind);
  RouterResponse answer = RouterResponse::backend_failed(failure);
  if (client_disconnected()) {
    record_.status = answer.status;
    record_.router_error = answer.error;
    co_return;
  }
  co_await respond(std::move(answer));
}

void Exchange::count_failure(FailureClass kind) {
  auto& probe = plane_.probe;
  switch (answer_to(kind).status) {
    case 503:
      ++probe.backend_invalid_id;
      break;
    case 525:
      ++probe.backend_tls_handshake_failed;
      break;
    case 526:
      ++probe.backend_invalid_tls_cert;
      break;
    case 502:
      ++probe.bad_gateways;
      break;
    default:
      break;
  }
  if (traits_.is_upgrade) ++probe.websocket_failures;
}

asio::awaitable<Failure> Exchange::try_endpoint(const routing::PoolElement& element) {
  const bool is_limited = config_.endpoint_timeout.count() > 0 && !traits_.is_websocket;
  const auto deadline = is_limited ? std::chrono::steady_clock::now() + config_.endpoint_timeout : Instant::max();
  for (;;) {
    attempt_.emplace(plane_.backends, element, deadline);
    Failure failure = co_await run_attempt();
    FailedAttempt failed{failure.kind, attempt_->used_idle_connection(), traits_.is_idempotent, body_.has_started(),
                         client_disconnected()};
    body_.stop_forwarding();
    attempt_.reset();
    if (failure.kind == FailureClass::kNone || next_attempt_after(failed) != NextAttempt::kSameEndpoint) {
      co_return failure;
    }
  }
}

// The request out, the response in. A failure before the response has begun is returned; one after it cuts the client
// off.
asio::awaitable<Failure> Exchange::run_attempt() {
  Failure failure;
  net::Http1Framing framing;
  try {
    co_await attempt_->connect();
    co_await send_request();
    co_await read_final_head(false);
    framing = net::framing_of(attempt_->response(), traits_.is_head);
  } catch (const net::DialError& e) {
    co_return failure_of_dial(e, endpoint_->address);
  } catch (const net::Http1Error& e) {
    failure = malformed_response(e.what());
  } catch (const boost::system::system_error& e) {
    failure = attempt_->failure_of(e.code(), traits_.is_idempotent);
  }
  if (failure.kind != FailureClass::kNone) {
    const bool timed_out = attempt_->interruption() == Attempt::Interruption::kTimedOut;
    if (timed_out) failure = {FailureClass::kTimeout, "context deadline exceeded"};
    if (client_disconnected()) failure = {FailureClass::kClientDisconnected, "context canceled"};
    co_return failure;
  }
  attempt_->accept_response();
  co_await deliver(framing);
  co_return Failure{};
}

std::string Exchange::request_head() {
  const ClientInfo client{client_.peer_ip_, client_.stream_->is_tls(),
                          config_.forwarded_client_cert == ForwardedClientCert::kAlwaysForward
                              ? std::string_view()
                              : client_.certificate_for_header()};
  const bool close = config_.disable_keep_alives || (traits_.expects_continue && !config_.keep_alive_100_continue);
  const BackendHead head{request_,    framing_,   client, forwarded_for_, forwarded_proto_,
                         request_id_, *endpoint_, close,  now_ms()};
  std::string out;
  out.reserve(client_.head_.size() + 512);
  append_backend_head(out, head, config_);
  return out;
}

asio::awaitable<void> Exchange::send_request() {
  std::string out = request_head();
  if (!traits_.expects_continue) body_.append_buffered(out);
  co_await attempt_->send(out);
  if (traits_.expects_continue) co_await await_permission();
  if (body_.is_pending() && !attempt_->has_final_head()) body_.start_forwarding(attempt_->connection());
}

// The backend says whether it wants the body. A backend that is silent for a second gets it, too.
asio::awaitable<void> Exchange::await_permission() {
  bool refused = false;
  try {
    refused = co_await base::within(kPermissionLimit, "waiting for 100", read_final_head(true));
  } catch (const base::DeadlineExceeded&) {
  }
  if (!refused) co_await write_to_client("HTTP/1.1 100 Continue\r\n\r\n");
}

// Reads up to the final response head and returns true; with `stop_at_continue`, returns false at a 100. Other
// informational heads go to the client.
asio::awaitable<bool> Exchange::read_final_head(bool stop_at_continue) {
  while (!attempt_->has_final_head()) {
    co_await attempt_->read_head(config_.max_response_header_bytes, config_.max_response_headers);
    if (attempt_->has_final_head()) break;
    if (attempt_->response().status == 100) {
      if (stop_at_continue) co_return false;
      continue;
    }
    if (request_.minor == 0) continue;
    std::string out;
    append_informational_head(out, attempt_->response());
    co_await write_to_client(out);
  }
  co_return true;
}

std::string Exchange::response_head(net::Http1Framing framing) {
  const auto& response = attempt_->response();
  const StickyRules rules{config_.sticky_cookie_names, config_.secure_cookies, config_.sticky_for_negotiate};
  const std::string cookie =
      sticky_cookie(response.fields, sticky_, endpoint_->instance_id, pool_->context_path(), rules);
  ClientHead head{response, framing};
  head.keep_length = traits_.is_head || response.status == 304;
  head.client_minor = request_.minor;
  head.keep_alive = keep_alive_;
  head.request_id = request_id_;
  head.sticky_cookie = cookie;
  head.date = plane_.date;
  if (!config_.trace_key.empty() && request_.fields.get("X-Vcap-Trace") == config_.trace_key) {
    head.trace_router = plane_.local_ip;
    head.trace_backend = endpoint_->address;
  }
  std::string out;
  out.reserve(attempt_->response_head().size() + 256);
  append_client_head(out, head, config_.rewrite);
  return out;
}

asio::awaitable<void> Exchange::deliver(net::Http1Framing framing) {
  record_.status = attempt_->response().status;
  if (record_.status == 101) {
    co_await tunnel();
    co_return;
  }
  attempt_->reader().begin_body(framing);
  const bool open_ended = framing.kind == FramingKind::kChunked || framing.kind == FramingKind::kUntilClose;
  if (open_ended) framing.kind = request_.minor >= 1 ? FramingKind::kChunked : FramingKind::kUntilClose;
  if (framing.kind == FramingKind::kUntilClose) keep_alive_ = false;
  if (traits_.expects_continue && !body_.has_started() && body_.is_pending()) keep_alive_ = false;
  if (plane_.draining) keep_alive_ = false;
  response_begun_ = true;
  std::string cut;  // why the response is incomplete
  try {
    std::string head = response_head(framing);
    co_await send_response_body(std::move(head), framing.kind == FramingKind::kChunked);
  } catch (const net::Http1Error& e) {
    cut = e.what();
  } catch (const boost::system::system_error& e) {
    const bool timed_out = attempt_->interruption() == Attempt::Interruption::kTimedOut;
    const bool ended = e.code() == asio::error::eof;
    cut = timed_out ? "context deadline exceeded" : ended ? "unexpected EOF" : e.what();
  }
  if (!cut.empty()) {
    // The head has been written: only the broken connection tells the client that something is missing.
    record_.router_error = fmt::format("endpoint_failure ({})", cut);
    keep_alive_ = false;
    client_.stream_->close();
    co_return;
  }
  const bool usable = attempt_->response().keep_alive() && attempt_->reader().body_complete();
  if (usable && body_.is_forwarded()) attempt_->keep_connection(std::chrono::steady_clock::now());
}

// `out` holds the head. Each piece is written as it arrives, so that clients see what a slow backend has sent so far.
asio::awaitable<void> Exchange::send_response_body(std::string out, bool chunked) {
  auto& reader = attempt_->reader();
  const auto append = [&](std::string_view piece) {
    record_.response_bytes += piece.size();
    if (chunked) fmt::format_to(std::back_inserter(out), "{:x}\r\n", piece.size());
    out += piece;
    if (chunked) out += "\r\n";
  };
  for (;;) {
    for (std::string_view piece = reader.buffered_body(); !piece.empty(); piece = reader.buffered_body()) append(piece);
    const bool complete = reader.body_complete();
    if (complete && chunked) append_last_chunk(out, reader.trailers(), config_.rewrite.remove);
    co_await write_to_client(out);
    out.clear();
    if (complete) co_return;
    const std::string_view piece = co_await reader.read_body(attempt_->stream());
    if (!piece.empty()) append(piece);
  }
}

// From here on client and backend speak a protocol of their own. Not before the request is complete: its body and the
// bytes of that protocol would be read from the client at the same time.
asio::awaitable<void> Exchange::tunnel() {
  const std::string_view asked = upgrade_token(request_.fields);
  const auto& response = attempt_->response();
  const bool agreed = traits_.is_upgrade && net::http1_same_name(asked, response.fields.get("Upgrade"));
  if (!agreed || !body_.is_forwarded()) {
    keep_alive_ = false;
    attempt_->close();
    record_.status = 0;
    RouterResponse answer = RouterResponse::backend_failed({FailureClass::kOther, "backend tried to switch protocol"});
    co_await respond(std::move(answer));
    co_return;
  }
  ++plane_.probe.websocket_upgrades;
  client_.upgraded_ = true;
  response_begun_ = true;
  attempt_->lift_deadline();
  std::string out;
  append_switching_head(out, response, request_id_);
  out += attempt_->reader().take_leftover();
  co_await write_to_client(out);
  std::string read_ahead = client_.reader_.take_leftover();
  co_await relay(*client_.stream_, std::move(read_ahead), attempt_->stream(), plane_.executor);
}

}  // namespace rivera::gorouter
