#include "gorouter/proxy/exchange.h"

#include "base/ids.h"
#include "gorouter/replies/headers.h"

namespace rivera::gorouter {
namespace {

constexpr auto kDiscardLimit = std::chrono::seconds(1);  // for the rest of a body that is not forwarded
// For the client to take an answer of the router's own.
constexpr std::chrono::nanoseconds kAnswerLimit = std::chrono::seconds(60);

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
      traits_(traits_of(request_, framing)),
      started_(std::chrono::steady_clock::now()),
      body_(plane_.executor, *client.stream_, client.reader_, framing),
      keep_alive_(request_.keep_alive() && !client.finishing_ && !plane_.draining) {
  record_.received = std::chrono::system_clock::now();
  request_id_ = base::new_guid();
  forwarded_for_ = request_.fields.get("X-Forwarded-For");
  forwarded_proto_ = request_.fields.get("X-Forwarded-Proto");
}

Exchange::~Exchange() = default;

asio::awaitable<bool> Exchange::run() {
  std::exception_ptr unexpected;
  try {
    Decision decision = decide();
    if (auto* answer = std::get_if<RouterResponse>(&decision)) {
      co_await respond(std::move(*answer));
    } else {
      co_await proxy(std::move(std::get<1>(decision)));
    }
    if (!client_.upgraded_) co_await finish_request_body();
  } catch (const boost::system::system_error&) {
    disconnected_ = true;  // errors of backends are handled where they occur
  } catch (...) {
    unexpected = std::current_exception();
  }
  if (body_.is_moving()) {  // the response could not be written; the body's coroutine must not outlive this object
    abort();
    client_.stream_->close();
  }
  co_await body_.stopped();
  if (unexpected) std::rethrow_exception(unexpected);
  write_log();
  co_return keep_alive_ && !client_disconnected() && !client_.upgraded_;
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
  // A client that waits for permission may or may not send its body after this response: what the next bytes on the
  // connection mean is unknown.
  if (response.close || (traits_.expects_continue && body_.is_pending())) keep_alive_ = false;
  ResponseContext context;
  context.is_head = traits_.is_head;
  context.client_minor = request_.minor;
  context.keep_alive = keep_alive_;
  context.request_id = request_id_;
  context.date = plane_.date;
  std::string out;
  append_router_response(out, response, context, config_.rewrite);
  response_begun_ = true;
  record_.status = response.status;
  record_.router_error = response.error;
  own_deadline_ = std::chrono::steady_clock::now() + std::min(kAnswerLimit, config_.frontend_idle_timeout);
  co_await write_to_client(out);
  own_deadline_ = Instant::max();
  if (!traits_.is_head) record_.response_bytes = response.body.size();
}

// An error here is the client's, never the backend's.
asio::awaitable<void> Exchange::write_to_client(std::string_view bytes) {
  try {
    co_await client_.stream_->write(bytes);
  } catch (const boost::system::system_error&) {
    disconnected_ = true;
    throw;
  }
}

// Reads the rest of the body for a while: the connection can then serve another request, or at least the client reads
// the response before it sees the connection reset.
asio::awaitable<void> Exchange::finish_request_body() {
  if (!body_.is_pending() && !body_.is_moving()) co_return;
  if (traits_.expects_continue && !body_.has_started()) {
    keep_alive_ = false;
    co_return;
  }
  own_deadline_ = std::chrono::steady_clock::now() + kDiscardLimit;
  co_await body_.discard_rest();
  own_deadline_ = Instant::max();
  if (body_.is_pending()) keep_alive_ = false;
}

void Exchange::tick(Instant now) {
  if (attempt_ && attempt_->expire(now)) {
    if (response_begun_) client_.stream_->close();
  } else if (now > own_deadline_) {
    client_.stream_->close();
  } else if (attempt_ && attempt_->awaits_head() && !body_.is_moving() && client_.stream_->peer_closed()) {
    disconnected_ = true;
    attempt_->cancel();
  }
}

void Exchange::abort() {
  disconnected_ = true;
  if (attempt_) attempt_->cancel();
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
  if (client_disconnected() && !response_begun_) record_.status = 499;
  record_.request_bytes = body_.received();
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
