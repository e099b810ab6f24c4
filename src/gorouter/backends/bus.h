// The router's connection to the message bus (docs/spec/routing.md §3.3, §3.4).
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/wait.h"
#include "gorouter/backends/backend_pool.h"
#include "gorouter/settings/config.h"
#include "net/nats/nats_client.h"
#include "routing/route_registry.h"

namespace rivera::gorouter {

// The source address that the kernel chooses for the default route; "127.0.0.1" without such a route.
std::string local_address();

// The payload of router.start and of the reply to router.greet. Durations are truncated to whole seconds.
std::string start_message(const Config& config, const std::string& id, const std::string& local_ip);

// Applies registrations to the registry and announces this router to emitters. Lives on the registry's strand.
class Bus {
 public:
  // `on_closed` is called when the connection is closed permanently.
  Bus(asio::any_io_executor executor, const Config& config, routing::RouteRegistry& registry, BackendPool& backends,
      base::Metrics& metrics, base::Logger logger, std::function<void()> on_closed);
  ~Bus();

  // Tries the list of servers three times. Throws net::NatsError.
  asio::awaitable<void> connect();
  // Subscribes, then publishes router.start. Throws net::NatsError, base::DeadlineExceeded.
  asio::awaitable<void> start();
  // Logs at each ping interval while the bus is disconnected. Runs until cancelled.
  asio::awaitable<void> watch();
  asio::awaitable<void> close();

  bool is_connected() const { return nats_.is_connected(); }
  // True if the connection was lost since the last call: registrations may have been missed.
  bool take_interruption() { return std::exchange(interrupted_, false); }
  const std::string& id() const { return id_; }

 private:
  void on_event(net::NatsEvent event, const std::string& server);
  void on_message(const net::NatsMessage& message);
  void apply(const net::NatsMessage& message, bool is_registration);
  void publish_start();
  void log_refusal(const net::NatsMessage& message, std::string_view error);

  const Config& config_;
  routing::RouteRegistry& registry_;
  BackendPool& backends_;
  base::Metrics& metrics_;
  base::Logger logger_;
  std::function<void()> on_closed_;
  std::string id_;
  std::string start_message_;
  bool started_ = false;
  bool interrupted_ = false;
  std::unordered_set<std::size_t> refused_;  // hashes of payloads that were refused
  std::chrono::steady_clock::time_point refusals_since_{};
  int refusals_ = 0;  // new ones since then
  net::NatsClient nats_;
  net::NatsSubscription greetings_;
  net::NatsSubscription messages_;
};

}  // namespace rivera::gorouter
