#include "bbs/api/api.h"

#include <chrono>
#include <optional>

#include "base/log/trace.h"
#include "base/units.h"
#include "base/work/cancellation.h"
#include "bbs/api/callers.h"
#include "bbs/records/prefetch.h"

namespace rivera::bbs {
namespace {

constexpr std::string_view kField2True("\x10\x01", 2);

// Bytes of a list that are written at a time.
constexpr std::size_t kPiece = 128 * base::kKibibyte;

}  // namespace

Api::Api(net::HttpRouter& router, base::WorkerPool& workers, Options options, BbsProbe& probe, base::Logger logger)
    : router_(router), workers_(workers), options_(std::move(options)), probe_(probe), logger_(std::move(logger)) {}

Api::Route Api::made_route(std::string name, std::string error_suffix) {
  const RequestMeter meter = probe_.meter_of(name);
  return {.name = std::move(name),
          .error_suffix = std::move(error_suffix),
          .body_limit = options_.body_limit,
          .handle = {},
          .list = {},
          .meter = meter};
}

void Api::add(std::string path, Route made) {
  Route& route = routes_.emplace_back(std::move(made));
  route.callers = callers_of(path);
  route.path = path;
  router_.add("POST", std::move(path), [this, &route](net::HttpExchange& exchange, const net::PathParameters&) {
    return serve(route, exchange);
  });
}

asio::awaitable<void> Api::serve(Route& route, net::HttpExchange& exchange) {
  if (!exchange.may_call(route.callers.bits(), route.path)) {
    Answer refusal;
    const auto error = models::unknown_error(net::refusal_text(exchange.caller(), route.path));
    refusal.body = error_body(error) + route.error_suffix;
    co_await respond(exchange, std::move(refusal));
    co_return;
  }
  const auto started = std::chrono::steady_clock::now();
  std::string body = co_await exchange.read_body(route.body_limit);
  Answer made;
  const bool may_begin = options_.may_answer();
  if (may_begin) {
    Call call{std::string(exchange.request().headers.get(base::kTraceHeader))};
    if (logger_.enabled(base::LogLevel::kDebug)) traced(call.trace_id).debug("serving", {{"route", route.name}});
    made = co_await answer(route, std::move(body), std::move(call));
  }
  route.meter.served(std::chrono::steady_clock::now() - started);
  // Checked again: the lock may have been lost while the answer was made.
  if (may_begin && options_.may_answer()) {
    co_await respond(exchange, std::move(made));
  } else {
    net::HttpResponse refusal;
    refusal.status = 503;
    co_await exchange.respond(std::move(refusal));
  }
}

asio::awaitable<Api::Answer> Api::answer(const Route& route, std::string body, Call call) {
  std::optional<models::ModelError> error;
  Answer made;
  const std::string trace_id = call.trace_id;
  try {
    if (route.list) {
      auto listing = route.list(std::move(body));
      made.records = co_await std::move(listing);
    } else {
      auto handling = route.handle(std::move(body), std::move(call));
      made.body = co_await std::move(handling);
    }
    co_return std::move(made);
  } catch (const models::ModelError& e) {
    error = e;
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;  // the connection is closed
    traced(trace_id).error("failed", {{"route", route.name}, {"error", e.what()}});
    error = models::unknown_error(e.what());
  }
  if (logger_.enabled(base::LogLevel::kDebug)) {
    traced(trace_id).debug("refused", {{"route", route.name}, {"error", error->message()}});
  }
  made.body = error_body(*error) + route.error_suffix;
  co_return std::move(made);
}

// Sends a list in pieces that fit the processor's cache, so that there is never a second copy of a hundred megabytes,
// not even for a client that reads slowly.
asio::awaitable<void> Api::respond(net::HttpExchange& exchange, Answer answer) {
  if (!answer.records || answer.records->size() == 0) {
    net::HttpResponse response;
    response.headers.set("Content-Type", "application/x-protobuf");
    response.body = std::move(answer.body);
    co_await exchange.respond(std::move(response));
    co_return;
  }
  EncodedList& records = *answer.records;
  net::ResponseHead head;
  head.headers = {{"Content-Type", "application/x-protobuf"}, {"Content-Length", std::to_string(records.size())}};
  co_await exchange.begin_response(std::move(head));
  std::string piece;
  piece.reserve(kPiece + kPiece / 4);
  const auto executor = co_await asio::this_coro::executor;
  for (auto some = records.next(); !some.empty(); some = records.next()) {
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (i + kPrefetchDistance < some.size()) prefetch_text(some[i + kPrefetchDistance]);
      models::append_field(piece, kListField, some[i]);
      if (piece.size() < kPiece) continue;
      if (!options_.may_answer()) throw std::runtime_error("the lock was lost while a list was sent");
      co_await exchange.write_body(piece);
      piece.clear();
      co_await asio::post(executor, asio::use_awaitable);  // others' turn, even if the client reads as fast as we send
    }
  }
  co_await exchange.write_body(piece);
  co_await exchange.end_response();
}

base::Logger Api::traced(const std::string& trace_id) const {
  return base::traced_session(logger_, "request", trace_id);
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
