#include "gorouter/proxy/exchange.h"

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include "base/ids.h"
#include "gorouter/replies/headers.h"

namespace rivera::gorouter {
namespace {

constexpr std::uint64_t kMostDiscarded = 256 * 1024;  // of a body nobody wants, to keep the connection
constexpr auto kDiscardLimit = std::chrono::seconds(1);

bool is_lower_hex(std::string_view text) {
  for (const char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

bool is_guid(std::string_view text) {
  if (text.size() != 36) return false;
  std::size_t start = 0;
  for (const std::size_t length : {8u, 4u, 4u, 4u, 12u}) {
    if (!is_lower_hex(text.substr(start, length))) return false;
    start += length;
    if (start < text.size() && text[start] != '-') return false;
    ++start;
  }
  return true;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "guid:index"; the index may be missing where `index_optional`.
bool split_instance(std::string_view text, bool index_optional, std::string_view& guid, std::string_view& index) {
  const auto colon = text.find(':');
  guid = text.substr(0, colon);
  index = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (colon == std::string_view::npos) return index_optional && is_guid(guid);
  return is_guid(guid) && is_number(index);
}

std::string lower_snake(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

Exchange::Exchange(ClientConnection& client, net::Http1Framing framing)
    : client_(client),
      plane_(client.plane_),
      config_(client.plane_.config),
      request_(client.request_),
      framing_(framing),
      started_(std::chrono::steady_clock::now()),
      keep_(request_.keep_alive() && !client.finishing_ && !plane_.draining) {
  deadline_ = Instant::max();
  is_head_ = request_.method == "HEAD";
  expects_continue_ = request_.minor >= 1 && body_pending() && request_.fields.has_token("Expect", "100-continue");
  record_.received = std::chrono::system_clock::now();
  request_id_ = base::new_guid();
  forwarded_for_ = request_.fields.get("X-Forwarded-For");
  forwarded_proto_ = request_.fields.get("X-Forwarded-Proto");
}

Exchange::~Exchange() = default;

asio::awaitable<bool> Exchange::run() {
  try {
    Decision decision = decide();
    if (auto* answer = std::get_if<RouterResponse>(&decision)) {
      co_await respond(std::move(*answer));
    } else {
      co_await proxy(std::move(std::get<1>(decision)));
    }
    if (!client_.upgraded_) co_await finish_request_body();
  } catch (const boost::system::system_error&) {
    client_gone_ = true;  // every other stream's errors are dealt with where they occur
  }
  if (pump_running_) {  // an answer that could not be written: the pump must not outlive us
    abort();
    client_.stream_->close();
  }
  while (pump_running_) co_await pump_ended_->wait();
  write_log();
  co_return keep_ && !client_gone_ && !client_.upgraded_;
}

bool Exchange::is_health_check() const {
  return !config_.healthcheck_user_agent.empty() && request_.fields.get("User-Agent") == config_.healthcheck_user_agent;
}

Exchange::Decision Exchange::decide() {
  if (is_health_check()) return RouterResponse::health(plane_.health == Health::kHealthy);
  const std::string_view host = request_.host();
  const std::string_view name = host_without_port(host);
  if (host.empty() || name == client_.peer_ip_) {
    ++plane_.probe.rejected_requests;
    return RouterResponse::empty_host();
  }
  auto pool = plane_.registry.lookup(name, request_.path());
  if (!pool) {
    ++plane_.probe.rejected_requests;
    return RouterResponse::unknown_route(host);
  }
  Decision restricted = restrict(std::move(pool));
  if (std::holds_alternative<RouterResponse>(restricted)) return restricted;
  pool = std::get<1>(restricted);
  if (pool->is_empty()) {
    if (config_.registry.empty_pool_503) return RouterResponse::no_endpoints(host);
    ++plane_.probe.rejected_requests;
    return RouterResponse::unknown_route(host);
  }
  if (pool->is_overloaded(config_.max_conns)) {
    ++plane_.probe.backend_exhausted_conns;
    return RouterResponse::connection_limit(host);
  }
  const bool too_many = config_.max_request_headers > 0 && request_.fields.size() > config_.max_request_headers;
  if (too_many || counted_size(request_) >= config_.max_request_header_bytes) {
    endpoint_ = pool->elements().front().endpoint;  // so that the log names the application
    return RouterResponse::head_too_large();
  }
  if (!pool->route_service_url().empty()) return RouterResponse::route_services_disabled();
  return pool;
}

// A request may ask for one instance of an application or process.
Exchange::Decision Exchange::restrict(std::shared_ptr<routing::RoutePool> pool) {
  const std::string_view host = request_.host();
  std::string_view guid, index;
  if (const auto* field = request_.fields.find("X-Cf-App-Instance"); field != nullptr && !field->value.empty()) {
    ++plane_.probe.rejected_requests;
    if (!split_instance(field->value, false, guid, index)) return RouterResponse::invalid_app_instance();
    auto found = pool->restricted_to_app(guid, index);
    if (!found) return RouterResponse::unknown_instance(guid, index, host);
    --plane_.probe.rejected_requests;
    return found;
  }
  if (const auto* field = request_.fields.find("X-Cf-Process-Instance"); field != nullptr && !field->value.empty()) {
    ++plane_.probe.rejected_requests;
    if (!split_instance(field->value, true, guid, index)) return RouterResponse::invalid_process_instance();
    auto found = pool->restricted_to_process(guid, index);
    if (!found) return RouterResponse::unknown_process(guid, index, host);
    --plane_.probe.rejected_requests;
    return found;
  }
  return pool;
}

asio::awaitable<void> Exchange::respond(RouterResponse response) {
  // A client that waits for permission has not sent its body, and may or may not: the connection is of no more use.
  if (response.close || (expects_continue_ && body_pending())) keep_ = false;
  RouterResponseFacts facts;
  facts.is_head = is_head_;
  facts.client_minor = request_.minor;
  facts.keep_alive = keep_;
  facts.request_id = request_id_;
  facts.date = plane_.date;
  std::string out;
  append_router_response(out, response, facts, config_.rewrite);
  response_begun_ = true;
  record_.status = response.status;
  record_.router_error = response.error;
  co_await write_to_client(out);
  if (!is_head_) record_.response_bytes = response.body.size();
}

// A client that does not take its answer is gone: nobody else is to blame.
asio::awaitable<void> Exchange::write_to_client(std::string_view bytes) {
  try {
    co_await client_.stream_->write(bytes);
  } catch (const boost::system::system_error&) {
    client_gone_ = true;
    throw;
  }
}

// The rest of the body is read for a while, so that the connection can go on, or at least so that closing it does not
// destroy the answer on its way.
asio::awaitable<void> Exchange::finish_request_body() {
  if (!body_pending() && !pump_running_) co_return;
  if (expects_continue_ && !body_begun_) {
    keep_ = false;
    co_return;
  }
  discarding_ = true;
  deadline_ = std::chrono::steady_clock::now() + kDiscardLimit;
  if (!pump_running_) start_pump();
  while (pump_running_) co_await pump_ended_->wait();
  deadline_ = Instant::max();
  if (body_pending()) keep_ = false;
}

void Exchange::start_pump() {
  if (!pump_ended_) pump_ended_.emplace(plane_.executor);
  pump_running_ = true;
  asio::co_spawn(plane_.executor, pump(), [this](std::exception_ptr) {
    pump_running_ = false;
    pump_ended_->notify_all();
  });
}

// run() waits for our end. Errors of either side are for it to find.
asio::awaitable<void> Exchange::pump() {
  const std::shared_ptr<BackendConnection> backend = backend_;
  try {
    for (;;) {
      const std::string_view piece = co_await client_.reader_.read_body(*client_.stream_);
      if (piece.empty()) break;
      record_.request_bytes += piece.size();
      if (!discarding_) {
        co_await forward_piece(piece);
      } else if ((discarded_ += piece.size()) > kMostDiscarded) {
        co_return;
      }
    }
    if (!discarding_) co_await forward_piece({});
    co_return;
  } catch (const net::Http1Error&) {
    bad_body_ = true;
  } catch (const boost::system::system_error&) {
    client_gone_ = true;
  }
  if (backend && !discarding_) backend->stream->close();
}

// One piece, or for "" the end of the body. A backend that does not take it may still answer: that is no error here.
asio::awaitable<void> Exchange::forward_piece(std::string_view piece) {
  const std::shared_ptr<BackendConnection> backend = backend_;
  std::string framed;
  if (framing_.kind == net::Http1Framing::Kind::kChunked) {
    if (piece.empty()) {
      framed.append("0\r\n").append(client_.reader_.trailers()).append("\r\n");
    } else {
      framed = fmt::format("{:x}\r\n", piece.size());
      framed.append(piece).append("\r\n");
    }
  }
  try {
    if (!framed.empty()) {
      co_await backend->stream->write(framed);
    } else if (!piece.empty()) {
      co_await backend->stream->write(piece);
    }
    if (piece.empty()) body_forwarded_ = true;
  } catch (const boost::system::system_error&) {
    discarding_ = true;
  }
}

// What of the body has come with the head goes out with the head.
void Exchange::append_buffered_body(std::string& out) {
  const bool chunked = framing_.kind == net::Http1Framing::Kind::kChunked;
  for (;;) {
    std::string_view piece;
    try {
      piece = client_.reader_.buffered_body();
    } catch (const net::Http1Error&) {
      bad_body_ = true;
      throw;
    }
    if (piece.empty()) break;
    body_begun_ = true;
    record_.request_bytes += piece.size();
    if (chunked) fmt::format_to(std::back_inserter(out), "{:x}\r\n", piece.size());
    out += piece;
    if (chunked) out += "\r\n";
  }
  if (body_pending()) return;
  if (chunked) out.append("0\r\n").append(client_.reader_.trailers()).append("\r\n");
  body_forwarded_ = true;
}

void Exchange::tick(Instant now) {
  if (now > deadline_) {
    timed_out_ = true;
    if (backend_) backend_->stream->close();
    if (response_begun_) client_.stream_->close();
  } else if (waiting_for_head_ && !pump_running_ && client_.stream_->peer_closed()) {
    client_gone_ = true;
    if (backend_) backend_->stream->close();
  }
}

void Exchange::abort() {
  client_gone_ = true;
  if (backend_) backend_->stream->close();
}

void Exchange::write_log() {
  auto& probe = plane_.probe;
  const auto now = std::chrono::steady_clock::now();
  if (endpoint_) {
    const int group = record_.status / 100;
    ++probe.responses_by_class[group >= 1 && group <= 5 ? group : 0];
    probe.latency_sum_us +=
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now - started_).count());
    ++probe.latency_count;
  }
  if (!plane_.access_log.is_wanted()) return;
  if (client_gone_ && !response_begun_) record_.status = 499;
  record_.host = request_.host();
  record_.method = request_.method;
  record_.target = request_.target;
  record_.protocol = request_.minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
  record_.referer = request_.fields.get("Referer");
  record_.user_agent = request_.fields.get("User-Agent");
  record_.peer = client_.peer_;
  record_.endpoint = endpoint_;
  record_.forwarded_for = forwarded_for_;
  record_.forwarded_proto = forwarded_proto_;
  record_.request_id = request_id_;
  record_.response_time = now - started_;
  for (const auto& name : config_.extra_headers_to_log) {
    record_.extra_headers.emplace_back(lower_snake(name), request_.fields.get(name));
  }
  plane_.access_log.write(record_);
}

}  // namespace rivera::gorouter
