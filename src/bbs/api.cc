#include "bbs/api.h"

#include <cctype>
#include <chrono>
#include <optional>

namespace rivera::bbs {
namespace {

constexpr std::string_view kField2True("\x10\x01", 2);

// The request id as logs show it: hexadecimal digits without dashes; "" if it is anything else (§1.2).
std::string trace_for_logs(std::string_view request_id) {
  std::string trace;
  for (const char c : request_id) {
    if (c == '-') continue;
    if (!std::isxdigit(static_cast<unsigned char>(c)) || trace.size() == 32) return "";
    trace += c;
  }
  return trace;
}

}  // namespace

Api::Api(net::HttpRouter& router, Options options, base::Metrics& metrics, base::Logger logger)
    : router_(router), options_(std::move(options)), metrics_(metrics), logger_(logger.session("request")) {}

void Api::add(std::string name, std::string path, std::string error_suffix, Handler handle) {
  const Route& route = routes_.emplace_back(Route{std::move(name), std::move(error_suffix), std::move(handle)});
  router_.add("POST", std::move(path), [this, &route](net::HttpExchange& exchange, const net::PathParameters&) {
    return serve(route, exchange);
  });
}

asio::awaitable<void> Api::serve(const Route& route, net::HttpExchange& exchange) {
  const auto started = std::chrono::steady_clock::now();
  std::string body = co_await exchange.read_body(options_.body_limit);
  net::HttpResponse response;
  if (options_.may_answer()) {
    const std::string trace = trace_for_logs(exchange.request().headers.get("X-Vcap-Request-Id"));
    if (!trace.empty()) logger_.info("serving", {{"route", route.name}, {"trace-id", trace}});
    Call call{std::string(exchange.request().headers.get("X-Vcap-Request-Id"))};
    response.body = co_await answer(route, std::move(body), std::move(call));
    response.headers.set("Content-Type", "application/x-protobuf");
  }
  // Asked again: the lock may have been lost while the answer was made.
  if (!options_.may_answer()) response = net::HttpResponse{{503, "", {}}, ""};
  metrics_.increment("RequestCount");
  metrics_.observe_seconds("RequestLatency",
                           std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
  co_await exchange.respond(std::move(response));
}

asio::awaitable<std::string> Api::answer(const Route& route, std::string body, Call call) {
  std::optional<models::ModelError> error;
  try {
    auto handling = route.handle(std::move(body), std::move(call));
    co_return co_await std::move(handling);
  } catch (const models::ModelError& e) {
    error = e;
  } catch (const boost::system::system_error&) {
    throw;  // the connection is gone
  } catch (const std::exception& e) {
    logger_.error("failed", {{"route", route.name}, {"error", e.what()}});
    error = models::unknown_error(e.what());
  }
  logger_.debug("refused", {{"route", route.name}, {"error", error->message()}});
  co_return error_body(*error) + route.error_suffix;
}

std::string error_body(const models::ModelError& error) {
  std::string body;
  models::Error message = error.to_proto();
  models::append_field(body, 1, models::encode(message));
  return body;
}

std::string body_of(const Outcome& outcome) { return outcome.error ? error_body(*outcome.error) : std::string(); }

std::string body_with_answer(const Outcome& outcome) {
  std::string body = body_of(outcome);
  if (outcome.answer) body += kField2True;
  return body;
}

}  // namespace rivera::bbs
