// Publishes route changes on the message bus, in order, and repeats unregistrations (docs/spec/routing.md §2.10,
// §2.12).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "net/nats/nats_client.h"
#include "routing/route_table.h"

namespace rivera::route_emitter {

struct EmitterOptions {
  bool internal_routes = false;  // publish internal routes
  std::chrono::nanoseconds unregistration_interval = std::chrono::seconds(30);
  int unregistration_send_count = 20;   // how often an unregistration is repeated
  std::size_t queue_limit = 1'000'000;  // messages; beyond it registrations are dropped: the broadcast repeats them
};

// Publishes messages in the order given; queues them while the bus is disconnected.
//
// Lives on the strand of `nats`. Repeats every unregistration `unregistration_send_count` times, or until its address
// is registered again. Upstream repeats only some of them, and a lost one leaves a dead TLS route in every router.
class Emitter {
 public:
  Emitter(asio::any_io_executor executor, net::NatsClient& nats, EmitterOptions options, base::Metrics& metrics,
          base::Logger logger);

  // Unregistrations first, then registrations.
  void emit(const routing::RouteChanges& changes);
  // Publishes one registration of a broadcast.
  void broadcast(const routing::RouteMessage& message);
  // Returns when the queue is short: for callers with many messages.
  asio::awaitable<void> ready_for_more();

  // Messages in the queue, and unregistrations that are still repeated.
  std::size_t queued() const { return queue_.size(); }
  std::size_t repeated_unregistrations() const { return repeated_.size(); }

  // Runs until cancelled.
  asio::awaitable<void> run();

 private:
  struct Outgoing {
    const char* subject;
    std::string payload;
    bool is_registration;
  };
  struct RepeatedUnregistration {
    const char* subject;
    std::string payload;
    int times_left;
  };
  bool wanted(const routing::RouteMessage& message) const;
  void enqueue(Outgoing message);
  asio::awaitable<void> send_queue();
  asio::awaitable<void> repeat_unregistrations();

  net::NatsClient& nats_;
  EmitterOptions options_;
  base::Metrics& metrics_;
  base::Logger logger_;
  base::Condition changed_;
  std::deque<Outgoing> queue_;
  std::map<std::string, RepeatedUnregistration> repeated_;
  std::uint64_t dropped_ = 0;
};

}  // namespace rivera::route_emitter
