#include "bbs/api/event_service.h"

#include <optional>
#include <variant>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "base/work/cancellation.h"
#include "bbs/api/callers.h"
#include "models/forms/wire.h"

namespace rivera::bbs {
namespace {

constexpr std::size_t kBodyLimit = 1u << 20;

net::ResponseHead stream_head() {
  net::ResponseHead head;
  head.headers = {{"Content-Type", "text/event-stream; charset=utf-8"},
                  {"Cache-Control", "no-cache, no-store, must-revalidate"},
                  {"Connection", "keep-alive"}};
  return head;
}

// The cell a stream is filtered on, "" for none; nullopt if the request cannot be read.
asio::awaitable<std::optional<std::string>> read_filter(net::HttpExchange& exchange, bool is_wanted) {
  std::string body;
  try {
    body = co_await exchange.read_body(kBodyLimit);
  } catch (const net::BodyTooLarge&) {
    co_return std::nullopt;
  }
  models::EventsByCellId request;
  if (!is_wanted) co_return "";
  if (!models::decode(body, request)) co_return std::nullopt;
  co_return request.cell_id();
}

// Sends the events of the source until it ends, or until this BBS may no longer answer. False if the client could not
// be written to.
asio::awaitable<bool> pump(EventSource& source, net::SseResponse& response, const Api& api) {
  for (;;) {
    const std::vector<EncodedEvent> events = co_await source.next();
    if (events.empty() || !api.may_answer()) co_return true;
    try {
      co_await response.write(events);
    } catch (const boost::system::system_error& e) {
      if (base::is_cancellation(e)) throw;
      co_return false;
    }
  }
}

}  // namespace

EventService::EventService(net::HttpRouter& router, Api& api, EventHub& hub, std::chrono::nanoseconds write_limit)
    : api_(api), hub_(hub), write_limit_(write_limit) {
  const std::vector<Hub> groups = {Hub::kDesired, Hub::kGroup};
  const std::vector<Hub> instances = {Hub::kDesired, Hub::kInstance};
  const std::vector<Hub> tasks = {Hub::kTask};
  add(router, "EventStream", "GET", "/v1/events.r1", {groups, EventForm::kCurrent, true});
  add(router, "EventStream_r0", "GET", "/v1/events", {groups, EventForm::kR0, true});
  add(router, "LRPInstanceEventStream", "POST", "/v1/events/lrp_instances.r1", {instances, EventForm::kCurrent, true});
  add(router, "LrpInstanceEventStream_r0", "POST", "/v1/events/lrp_instances", {instances, EventForm::kR0, true});
  add(router, "TaskEventStream", "POST", "/v1/events/tasks.r1", {tasks, EventForm::kCurrent, false});
  add(router, "TaskEventStream_r0", "POST", "/v1/events/tasks", {tasks, EventForm::kR0, false});
}

void EventService::add(net::HttpRouter& router, const char* name, const char* method, const char* path, Stream stream) {
  const RequestMeter meter = api_.meter_of(name);
  auto serving = [this, meter, stream = std::move(stream)](net::HttpExchange& exchange, const net::PathParameters&) {
    return serve_counted(meter, stream, exchange);
  };
  router.add(method, path, net::for_callers(callers_of(path).bits(), path, std::move(serving)));
}

asio::awaitable<void> EventService::serve_counted(RequestMeter meter, Stream stream, net::HttpExchange& exchange) {
  // A stream is counted when it ends, however it ends.
  struct Count {
    RequestMeter& meter;
    ~Count() { meter.served(); }
  } count{meter};
  auto serving = serve(std::move(stream), exchange);
  co_await std::move(serving);
}

asio::awaitable<void> EventService::serve(Stream stream, net::HttpExchange& exchange) {
  const std::optional<std::string> cell = co_await read_filter(exchange, stream.reads_filter);
  if (!cell || !api_.may_answer()) {
    net::HttpResponse refusal;
    refusal.status = cell ? 503 : 500;
    co_await exchange.respond(std::move(refusal));
    co_return;
  }
  // Subscribes before sending the head, so that everything that happens after a client received it is on the stream.
  const auto executor = co_await asio::this_coro::executor;
  const std::string last_event_id(exchange.request().headers.get("Last-Event-ID"));
  const auto source = hub_.subscribe(executor, {stream.hubs, *cell, stream.form}, last_event_id);
  auto beginning = net::SseResponse::begin(exchange, stream_head(), write_limit_);
  const auto response = co_await std::move(beginning);
  using namespace asio::experimental::awaitable_operators;
  auto either = pump(*source, *response, api_) || response->client_gone();
  const auto ended_by = co_await std::move(either);
  const bool has_ended = ended_by.index() == 0 && std::get<0>(ended_by);
  if (has_ended) co_await response->end();
}

}  // namespace rivera::bbs
