#include "route_emitter/emitter.h"

#include <fmt/format.h>

namespace rivera::route_emitter {
namespace {

using routing::Route;
using routing::RouteMessage;

constexpr std::size_t kShortQueue = 10'000;
constexpr std::size_t kMaxRepeatedUnregistrations = 500'000;
constexpr auto kWaitForBus = std::chrono::milliseconds(100);

const char* register_subject(const RouteMessage& message) {
  return message.kind == Route::Kind::kInternal ? "service-discovery.register" : "router.register";
}

const char* unregister_subject(const RouteMessage& message) {
  return message.kind == Route::Kind::kInternal ? "service-discovery.unregister" : "router.unregister";
}

// A registration with the same key cancels the repetition of an unregistration (docs/spec/routing.md §2.12).
std::string unregistration_key(const RouteMessage& message) {
  const auto& body = message.body;
  std::string key =
      fmt::format("{} {}:{} {} {}", static_cast<int>(message.kind), body.host, body.port, body.tls_port, body.protocol);
  for (const auto& uri : body.uris) key += " " + uri;
  return key;
}

}  // namespace

Emitter::Emitter(asio::any_io_executor executor, net::NatsClient& nats, EmitterOptions options, base::Metrics& metrics,
                 base::Logger logger)
    : nats_(nats), options_(options), metrics_(metrics), logger_(std::move(logger)), changed_(std::move(executor)) {}

bool Emitter::wanted(const RouteMessage& message) const {
  return message.kind == Route::Kind::kHttp || (message.kind == Route::Kind::kInternal && options_.internal_routes);
}

void Emitter::emit(const routing::RouteChanges& changes) {
  std::size_t unregistered = 0, registered = 0;
  for (const auto& message : changes.unregistrations) {
    if (!wanted(message)) continue;
    std::string payload = to_json(message.body);
    if (options_.unregistration_send_count > 0 && repeated_.size() < kMaxRepeatedUnregistrations) {
      repeated_.insert_or_assign(
          unregistration_key(message),
          RepeatedUnregistration{unregister_subject(message), payload, options_.unregistration_send_count});
    }
    enqueue({unregister_subject(message), std::move(payload), false});
    ++unregistered;
  }
  for (const auto& message : changes.registrations) {
    if (!wanted(message)) continue;
    repeated_.erase(unregistration_key(message));
    enqueue({register_subject(message), to_json(message.body), true});
    ++registered;
  }
  for (const auto& address : changes.collisions) {
    logger_.info("collision-detected-with-endpoint", {{"address", address}});
    metrics_.increment("AddressCollisions");
  }
  if (unregistered + registered == 0) return;
  metrics_.increment("RoutesUnregistered", static_cast<double>(unregistered));
  metrics_.increment("RoutesRegistered", static_cast<double>(registered));
  metrics_.increment("HTTPRouteNATSMessagesEmitted", static_cast<double>(unregistered + registered));
  logger_.debug("emitting-routes", {{"registrations", registered}, {"unregistrations", unregistered}});
}

void Emitter::broadcast(const RouteMessage& message) {
  if (wanted(message)) enqueue({register_subject(message), to_json(message.body), true});
}

void Emitter::enqueue(Outgoing message) {
  if (queue_.size() >= options_.queue_limit && message.is_registration) {
    if (dropped_++ % 100'000 == 0) logger_.error("registrations-dropped", {{"queued", queue_.size()}});
    return;
  }
  queue_.push_back(std::move(message));
  changed_.notify_all();
}

asio::awaitable<void> Emitter::ready_for_more() {
  while (queue_.size() > kShortQueue) co_await changed_.wait();
}

asio::awaitable<void> Emitter::run() {
  auto executor = co_await asio::this_coro::executor;
  base::TaskGroup repeater(executor, logger_);
  repeater.spawn_critical("repeat-unregistrations", repeat_unregistrations());
  co_await send_queue();
}

asio::awaitable<void> Emitter::send_queue() {
  for (;;) {
    while (queue_.empty()) co_await changed_.wait();
    if (!nats_.is_connected()) {
      co_await base::sleep_for(kWaitForBus);
      continue;
    }
    co_await nats_.writable();
    bool refused = false;
    try {
      nats_.publish(queue_.front().subject, queue_.front().payload);
    } catch (const net::NatsError& e) {
      logger_.error("publish-failed", {{"error", e.what()}});
      refused = true;
    } catch (const std::invalid_argument& e) {
      logger_.error("publish-failed", {{"error", e.what()}});
    }
    if (refused) {
      co_await base::sleep_for(kWaitForBus);
      continue;
    }
    queue_.pop_front();
    if (queue_.size() <= kShortQueue) changed_.notify_all();
  }
}

asio::awaitable<void> Emitter::repeat_unregistrations() {
  for (;;) {
    co_await base::sleep_for(options_.unregistration_interval);
    for (auto it = repeated_.begin(); it != repeated_.end();) {
      enqueue({it->second.subject, it->second.payload, false});
      it = --it->second.times_left == 0 ? repeated_.erase(it) : std::next(it);
    }
  }
}

}  // namespace rivera::route_emitter
