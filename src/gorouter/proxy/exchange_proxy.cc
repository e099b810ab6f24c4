// The part of Exchange that speaks with backends (docs/spec/routing.md §3.12-3.16).
#include <algorithm>

#include <boost/asio/error.hpp>
#include <fmt/format.h>

#include "gorouter/proxy/exchange.h"
#include "gorouter/proxy/tunnel.h"
#include "gorouter/replies/headers.h"

namespace rivera::gorouter {
namespace {

using FramingKind = net::Http1Framing::Kind;

constexpr auto kPermissionLimit = std::chrono::seconds(1);

// Go asks such requests again of its own accord: nothing can come of doing so (§3.13).
bool is_idempotent(const net::Http1Request& request, net::Http1Framing framing) {
  if (framing.kind != FramingKind::kNone) return false;
  for (const std::string_view method : {"GET", "HEAD", "OPTIONS", "TRACE"}) {
    if (request.method == method) return true;
  }
  return request.fields.has("Idempotency-Key") || request.fields.has("X-Idempotency-Key");
}

std::int64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

Failure no_endpoints() { return {FailureClass::kNoEndpoints, "No endpoints available"}; }

}  // namespace

asio::awaitable<void> Exchange::proxy(std::shared_ptr<routing::RoutePool> pool) {
  pool_ = std::move(pool);
  const StickyRules rules{config_.sticky_cookie_names, config_.secure_cookies, config_.sticky_for_negotiate};
  sticky_ = sticky_wish(request_.fields, rules);
  forwarded_for_ = forwarded_for(request_, client_.peer_ip_);
  forwarded_proto_ = forwarded_proto(request_, client_.stream_->is_tls(), config_);
  is_upgrade_ = request_.minor >= 1 && !upgrade_token(request_.fields).empty();

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
    failure = co_await attempt(*element);
    if (failure.kind == FailureClass::kNone) break;
    plane_.logger.error("backend-endpoint-failed",
                        {{"route-endpoint", address}, {"error", failure.text}, {"attempt", number}});
    const auto now = std::chrono::steady_clock::now();
    if (marks_failed(failure.kind)) chooser.mark_failed(*endpoint_, now);
    if (endpoint_->tls && prunes_tls_endpoint(failure.kind)) plane_.registry.remove_failed(*pool_, *endpoint_, now);
    if (!is_retryable(failure.kind) || body_begun_ || client_gone_) break;
  }
  record_.gorouter_time = (proxy_started - started_);
  if (failure.kind == FailureClass::kNone || response_begun_) co_return;
  co_await answer_failure(std::move(failure));
}

asio::awaitable<void> Exchange::answer_failure(Failure failure) {
  if (bad_body_) {
    keep_ = false;
    response_begun_ = true;
    record_.status = 400;
    const std::string answer = malformed_request_response(400, "malformed request body");
    co_await write_to_client(answer);
    co_return;
  }
  count_answer(failure.kind);
  RouterResponse answer = RouterResponse::backend_failed(failure);
  if (client_gone_) {
    record_.status = answer.status;
    record_.router_error = answer.error;
    co_return;
  }
  co_await respond(std::move(answer));
}

void Exchange::count_answer(FailureClass kind) {
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
  if (is_upgrade_) ++probe.websocket_failures;
}

// One endpoint. A kept-alive connection that turns out dead before a byte of an answer is replaced without further ado.
asio::awaitable<Failure> Exchange::attempt(const routing::PoolElement& element) {
  counted_ = element.connections;
  ++*counted_;
  struct Release {
    std::shared_ptr<int>& counter;
    ~Release() {
      if (counter) --*counter;
      counter.reset();
    }
  } release{counted_};
  timed_out_ = false;
  if (config_.endpoint_timeout.count() > 0 && !is_upgrade_)
    deadline_ = std::chrono::steady_clock::now() + config_.endpoint_timeout;
  for (;;) {
    Failure failure;
    backend_ = plane_.backends.take_idle(*endpoint_, std::chrono::steady_clock::now());
    if (!backend_) {
      try {
        backend_ = co_await plane_.backends.connect(endpoint_);
      } catch (const net::DialError& e) {
        failure = failure_of_dial(e, endpoint_->address);
      }
    }
    if (failure.kind == FailureClass::kNone) failure = co_await converse();
    if (failure.kind == FailureClass::kNone) break;
    deadline_ = Instant::max();
    const bool was_reused = backend_ && backend_->reused;
    const bool nothing_came = failure.kind == FailureClass::kIdempotentEof ||
                              failure.kind == FailureClass::kIncompleteRequest ||
                              failure.kind == FailureClass::kResetOnRead;
    if (backend_) backend_->stream->close();
    discarding_ = true;  // a pump that runs has nobody to speak to any more
    backend_.reset();
    if (was_reused && nothing_came && !body_begun_ && !client_gone_ && is_idempotent(request_, framing_)) {
      discarding_ = false;
      continue;
    }
    if (!body_begun_) discarding_ = false;
    co_return failure;
  }
  deadline_ = Instant::max();
  co_return Failure{};
}

// The request out, the answer in. A failure before the answer has begun is returned; one after it cuts the client off.
asio::awaitable<Failure> Exchange::converse() {
  ExchangeState state;
  response_.status = 0;
  state.is_idempotent = is_idempotent(request_, framing_);
  Failure failure;
  net::Http1Framing framing;
  try {
    co_await send_request(state);
    waiting_for_head_ = true;
    co_await read_response_head(false);
    waiting_for_head_ = false;
    framing = net::framing_of(response_, is_head_);
  } catch (const net::Http1Error& e) {
    failure = malformed_response(e.what());
  } catch (const boost::system::system_error& e) {
    state.local_address = backend_->stream->local_address();
    state.peer_address = endpoint_->address;
    failure = failure_of_exchange(e.code(), state);
  }
  waiting_for_head_ = false;
  if (failure.kind != FailureClass::kNone) {
    if (timed_out_) failure = {FailureClass::kTimeout, "context deadline exceeded"};
    if (client_gone_) failure = {FailureClass::kClientGone, "context canceled"};
    co_return failure;
  }
  if (counted_) --*counted_;
  counted_.reset();
  co_await deliver(framing);
  co_return Failure{};
}

asio::awaitable<void> Exchange::send_request(ExchangeState& state) {
  const ClientFacts client{client_.peer_ip_, client_.stream_->is_tls(),
                           config_.forwarded_client_cert == ForwardedClientCert::kAlwaysForward
                               ? std::string_view()
                               : client_.certificate_for_header()};
  const bool close = config_.disable_keep_alives || (expects_continue_ && !config_.keep_alive_100_continue);
  const BackendHead head{request_,    framing_,   client, forwarded_for_, forwarded_proto_,
                         request_id_, *endpoint_, close,  now_ms()};
  std::string out;
  out.reserve(client_.head_.size() + 512);
  append_backend_head(out, head, config_);
  body_forwarded_ = !body_pending();
  if (body_pending() && !expects_continue_) append_buffered_body(out);
  waiting_for_head_ = true;
  co_await backend_->stream->write(out);
  state.request_head_written = true;
  if (body_pending() && expects_continue_) co_await await_permission();
  if (!body_pending() || response_.status >= 200 || pump_running_) co_return;
  body_begun_ = true;
  start_pump();
}

// The backend says whether the client shall send its body; if it says nothing for a second, it shall.
asio::awaitable<void> Exchange::await_permission() {
  response_.status = 0;
  bool decided = false;
  try {
    decided = co_await base::within(kPermissionLimit, "waiting for 100", read_response_head(true));
  } catch (const base::DeadlineExceeded&) {
  }
  if (decided) co_return;  // a final answer: no body is wanted
  response_.status = 0;
  co_await write_to_client("HTTP/1.1 100 Continue\r\n\r\n");
}

// Puts the final head into response_ and returns true. With `stop_at_continue`, returns false at a 100.
asio::awaitable<bool> Exchange::read_response_head(bool stop_at_continue) {
  if (response_.status >= 200) co_return true;  // read while permission was awaited
  for (;;) {
    const bool got =
        co_await backend_->reader.read_head(*backend_->stream, backend_->head, config_.max_response_header_bytes);
    if (!got) throw boost::system::system_error(asio::error::eof);
    net::parse_http1_response(backend_->head, response_);
    if (config_.max_response_headers > 0 && response_.fields.size() > config_.max_response_headers) {
      throw net::Http1Error("too many response headers");
    }
    if (response_.status >= 200 || response_.status == 101) co_return true;
    if (response_.status == 100) {
      if (stop_at_continue) co_return false;
      continue;
    }
    if (request_.minor == 0) continue;
    std::string out;
    append_informational_head(out, response_);
    co_await write_to_client(out);
  }
}

std::string Exchange::response_head(net::Http1Framing framing) {
  const StickyRules rules{config_.sticky_cookie_names, config_.secure_cookies, config_.sticky_for_negotiate};
  const std::string cookie =
      sticky_cookie(response_.fields, sticky_, endpoint_->instance_id, pool_->context_path(), rules);
  ClientHead head{response_, framing};
  head.keep_length = is_head_ || response_.status == 304;
  head.client_minor = request_.minor;
  head.keep_alive = keep_;
  head.request_id = request_id_;
  head.sticky_cookie = cookie;
  head.date = plane_.date;
  if (!config_.trace_key.empty() && request_.fields.get("X-Vcap-Trace") == config_.trace_key) {
    head.trace_router = plane_.local_ip;
    head.trace_backend = endpoint_->address;
  }
  std::string out;
  out.reserve(backend_->head.size() + 256);
  append_client_head(out, head, config_.rewrite);
  return out;
}

asio::awaitable<void> Exchange::deliver(net::Http1Framing framing) {
  record_.status = response_.status;
  if (response_.status == 101) {
    co_await tunnel();
    co_return;
  }
  backend_->reader.begin_body(framing);
  const bool open_ended = framing.kind == FramingKind::kChunked || framing.kind == FramingKind::kUntilClose;
  if (open_ended) framing.kind = request_.minor >= 1 ? FramingKind::kChunked : FramingKind::kUntilClose;
  if (framing.kind == FramingKind::kUntilClose) keep_ = false;
  if (expects_continue_ && !body_begun_ && body_pending()) keep_ = false;
  if (plane_.draining) keep_ = false;
  response_begun_ = true;
  const std::shared_ptr<BackendConnection> backend = backend_;
  bool cut = false;
  try {
    std::string head = response_head(framing);
    co_await send_response_body(std::move(head), framing.kind == FramingKind::kChunked);
  } catch (const net::Http1Error& e) {
    record_.router_error = fmt::format("endpoint_failure ({})", e.what());
    cut = true;
  } catch (const boost::system::system_error& e) {
    const bool ended = e.code() == asio::error::eof;
    record_.router_error = fmt::format("endpoint_failure ({})", timed_out_ ? "context deadline exceeded"
                                                                : ended    ? "unexpected EOF"
                                                                           : e.what());
    cut = true;
  }
  if (cut) {
    // Headers have gone: only the broken connection tells the client that something is missing.
    keep_ = false;
    backend->stream->close();
    client_.stream_->close();
    co_return;
  }
  const bool reusable = response_.keep_alive() && backend->reader.body_complete() && body_forwarded_ && !pump_running_;
  if (reusable)
    plane_.backends.give_back(backend, response_.fields.get("Keep-Alive"), std::chrono::steady_clock::now());
  if (!reusable) backend->stream->close();
  backend_.reset();
}

// `out` holds the head. Each piece goes as it comes: a backend that trickles wants to be seen trickling.
asio::awaitable<void> Exchange::send_response_body(std::string out, bool chunked) {
  auto& reader = backend_->reader;
  const auto append = [&](std::string_view piece) {
    record_.response_bytes += piece.size();
    if (chunked) fmt::format_to(std::back_inserter(out), "{:x}\r\n", piece.size());
    out += piece;
    if (chunked) out += "\r\n";
  };
  for (;;) {
    for (std::string_view piece = reader.buffered_body(); !piece.empty(); piece = reader.buffered_body()) append(piece);
    const bool complete = reader.body_complete();
    if (complete && chunked) out.append("0\r\n").append(reader.trailers()).append("\r\n");
    co_await write_to_client(out);
    out.clear();
    if (complete) co_return;
    const std::string_view piece = co_await reader.read_body(*backend_->stream);
    if (!piece.empty()) append(piece);
  }
}

// From here on the two talk in a protocol of their own.
asio::awaitable<void> Exchange::tunnel() {
  const std::string_view asked = upgrade_token(request_.fields);
  if (!is_upgrade_ || !net::http1_same_name(asked, response_.fields.get("Upgrade"))) {
    keep_ = false;
    backend_->stream->close();
    record_.status = 0;
    RouterResponse answer = RouterResponse::backend_failed({FailureClass::kOther, "backend tried to switch protocol"});
    co_await respond(std::move(answer));
    co_return;
  }
  ++plane_.probe.websocket_upgrades;
  client_.upgraded_ = true;
  deadline_ = Instant::max();
  response_begun_ = true;
  std::string out;
  append_switching_head(out, response_, request_id_);
  out += backend_->reader.take_leftover();
  const std::shared_ptr<BackendConnection> backend = backend_;
  co_await write_to_client(out);
  std::string read_ahead = client_.reader_.take_leftover();
  co_await relay(*client_.stream_, std::move(read_ahead), *backend->stream, plane_.executor);
}

}  // namespace rivera::gorouter
