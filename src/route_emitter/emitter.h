// Says route changes on the message bus, in order, and repeats withdrawals (docs/spec/routing.md §2.10, §2.12).
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
  bool internal_routes = false;  // otherwise internal routes are not said
  std::chrono::nanoseconds unregistration_interval = std::chrono::seconds(30);
  int unregistration_send_count = 20;   // how often a withdrawal is repeated
  std::size_t queue_limit = 1'000'000;  // messages; beyond it registrations are dropped: the broadcast repeats them
};

// Messages leave in the order they were given, whatever the state of the bus: what is said while NATS is away is kept.
//
// Lives on the strand of `nats`. Every withdrawal is repeated until it has been said often enough or its address is
// registered again; upstream repeats only some of them, and a lost one leaves a dead TLS route in every router.
class Emitter {
 public:
  Emitter(asio::any_io_executor executor, net::NatsClient& nats, EmitterOptions options, base::Metrics& metrics,
          base::Logger logger);

  // Withdrawals first, then registrations.
  void emit(const routing::RouteChanges& changes);
  // One registration of a broadcast. Nothing but sending happens: it is known already.
  void broadcast(const routing::RouteMessage& message);
  // Returns when the queue is short: for those who have a lot to say.
  asio::awaitable<void> ready_for_more();

  // Messages waiting, and withdrawals that are still repeated.
  std::size_t queued() const { return queue_.size(); }
  std::size_t repeated_withdrawals() const { return withdrawn_.size(); }

  // Runs until cancelled.
  asio::awaitable<void> run();

 private:
  struct Outgoing {
    const char* subject;
    std::string payload;
    bool is_registration;
  };
  struct Withdrawn {
    const char* subject;
    std::string payload;
    int times_left;
  };
  bool wanted(const routing::RouteMessage& message) const;
  void enqueue(Outgoing message);
  asio::awaitable<void> send_queue();
  asio::awaitable<void> repeat_withdrawals();

  net::NatsClient& nats_;
  EmitterOptions options_;
  base::Metrics& metrics_;
  base::Logger logger_;
  base::Condition changed_;
  std::deque<Outgoing> queue_;
  std::map<std::string, Withdrawn> withdrawn_;
  std::uint64_t dropped_ = 0;
};

}  // namespace rivera::route_emitter
