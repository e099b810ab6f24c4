#include "bbs/event_service.h"

#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>

#include "models/wire.h"

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

// The cell a stream is filtered on; nullopt if the request cannot be read.
std::optional<std::string> filter_of(const std::string& body) {
  models::EventsByCellId request;
  if (!models::decode(body, request)) return std::nullopt;
  return request.cell_id();
}

}  // namespace

EventService::EventService(net::HttpRouter& router, Api& api, asio::any_io_executor home, EventHub& hub)
    : api_(api), home_(home), hub_(hub) {
  const std::vector<Hub> groups = {Hub::kDesired, Hub::kGroup};
  const std::vector<Hub> instances = {Hub::kDesired, Hub::kInstance};
  const std::vector<Hub> tasks = {Hub::kTask};
  add(router, "GET", "/v1/events.r1", {groups, EventForm::kCurrent, true});
  add(router, "GET", "/v1/events", {groups, EventForm::kR0, true});
  add(router, "POST", "/v1/events/lrp_instances.r1", {instances, EventForm::kCurrent, true});
  add(router, "POST", "/v1/events/lrp_instances", {instances, EventForm::kR0, true});
  add(router, "POST", "/v1/events/tasks.r1", {tasks, EventForm::kCurrent, false});
  add(router, "POST", "/v1/events/tasks", {tasks, EventForm::kR0, false});
}

void EventService::add(net::HttpRouter& router, const char* method, const char* path, Stream stream) {
  router.add(method, path, [this, stream = std::move(stream)](net::HttpExchange& exchange, const net::PathParameters&) {
    return serve(stream, exchange);
  });
}

asio::awaitable<void> EventService::serve(Stream stream, net::HttpExchange& exchange) {
  const std::string body = co_await exchange.read_body(kBodyLimit);
  const std::optional<std::string> cell = stream.reads_filter ? filter_of(body) : std::string();
  if (!cell || !api_.may_answer()) {
    net::HttpResponse refusal;
    refusal.status = cell ? 503 : 500;
    co_await exchange.respond(std::move(refusal));
    co_return;
  }
  Subscription::Wish wish{stream.hubs, *cell, stream.form};
  std::shared_ptr<Subscription> subscription = co_await subscribe(std::move(wish));
  // A subscription ends where it lives.
  struct Release {
    asio::any_io_executor home;
    std::shared_ptr<Subscription>& held;
    ~Release() {
      asio::post(home, [gone = std::move(held)] {});
    }
  } release{home_, subscription};

  net::ResponseHead head = stream_head();
  co_await exchange.begin_response(std::move(head));
  using namespace asio::experimental::awaitable_operators;
  auto either = pump(subscription, exchange) || exchange.client_gone();
  const auto ended_by = co_await std::move(either);
  if (ended_by.index() == 0) co_await exchange.end_response();
}

asio::awaitable<void> EventService::pump(std::shared_ptr<Subscription> subscription, net::HttpExchange& exchange) {
  for (std::uint64_t id = 0;;) {
    auto waiting = subscription->next();
    const std::vector<EncodedEvent> events = co_await asio::co_spawn(home_, std::move(waiting), asio::use_awaitable);
    if (events.empty() || !api_.may_answer()) co_return;
    std::string piece;
    for (const EncodedEvent& event : events) {
      piece += "id: " + std::to_string(id++) + "\n";
      piece += *event;
    }
    co_await exchange.write_body(piece);
  }
}

asio::awaitable<std::shared_ptr<Subscription>> EventService::subscribe(Subscription::Wish wish) {
  auto subscribing = [](EventHub& hub, Subscription::Wish w) -> asio::awaitable<std::shared_ptr<Subscription>> {
    co_return hub.subscribe(std::move(w));
  }(hub_, std::move(wish));
  co_return co_await asio::co_spawn(home_, std::move(subscribing), asio::use_awaitable);
}

}  // namespace rivera::bbs
