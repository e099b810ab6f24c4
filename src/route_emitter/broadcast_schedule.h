// When to publish all routes again: at the interval that routers ask for, and when a router starts
// (docs/spec/routing.md §2.11).
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/log/log.h"
#include "base/work/wait.h"
#include "net/nats/nats_client.h"

namespace rivera::route_emitter {

// The interval that a router.start message or the reply to a greeting asks for; nullopt for malformed messages and
// intervals that are not positive.
std::optional<std::chrono::seconds> parse_router_interval(std::string_view json);

// Greets the routers of one kind until one replies, then calls `broadcast` at the interval they ask for. Unlike
// upstream it greets without a limit of attempts. Lives on the strand of `nats`.
class BroadcastSchedule {
 public:
  // `consumer`: "router" or "service-discovery". `jitter_factor` 0..1: the largest random delay, as a part of the
  // interval, before the broadcast for a router that starts, so that emitters do not all publish at once.
  BroadcastSchedule(asio::any_io_executor executor, net::NatsClient& nats, std::string consumer, double jitter_factor,
                    std::function<void()> broadcast, base::Logger logger);

  // Runs until cancelled.
  asio::awaitable<void> run();
  // Broadcasts without waiting for the interval: for the time after the bus was disconnected.
  void broadcast_soon();

 private:
  asio::awaitable<void> greet();
  void on_router_message(const net::NatsMessage& message);
  std::chrono::nanoseconds jitter() const;

  net::NatsClient& nats_;
  std::string consumer_;
  double jitter_factor_;
  std::function<void()> broadcast_;
  base::Logger logger_;
  base::Condition changed_;
  std::chrono::seconds interval_{20};
  bool answered_ = false;
  bool due_ = false;  // a router has started since the last broadcast
};

}  // namespace rivera::route_emitter
