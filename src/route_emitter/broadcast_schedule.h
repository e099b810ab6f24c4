// When to say every route again: what routers ask for, and at once when one starts (docs/spec/routing.md §2.11).
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/log/log.h"
#include "base/work/wait.h"
#include "net/nats/nats_client.h"

namespace rivera::route_emitter {

// The interval a router's start or greeting answer asks for; nullopt if the text is not one. An interval that is not
// positive is nullopt too.
std::optional<std::chrono::seconds> parse_router_interval(std::string_view json);

// Greets the routers of one kind until one answers, then calls `broadcast` as often as they ask. Unlike upstream it
// never gives up greeting. Lives on the strand of `nats`.
class BroadcastSchedule {
 public:
  // `consumer`: "router" or "service-discovery". `jitter_factor` 0..1: the part of the interval that a broadcast for a
  // router that starts may wait at random, so that emitters do not all speak at once.
  BroadcastSchedule(asio::any_io_executor executor, net::NatsClient& nats, std::string consumer, double jitter_factor,
                    std::function<void()> broadcast, base::Logger logger);

  // Runs until cancelled.
  asio::awaitable<void> run();
  // The bus was away: routers may have missed something.
  void broadcast_soon();

 private:
  asio::awaitable<void> greet();
  void heard(const net::NatsMessage& message);
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
