// The router's side of the message bus (docs/spec/routing.md §3.3, §3.4).
#pragma once

#include <functional>
#include <string>

#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/wait.h"
#include "gorouter/backends/backend_pool.h"
#include "gorouter/settings/config.h"
#include "net/nats/nats_client.h"
#include "routing/route_registry.h"

namespace rivera::gorouter {

// The address the kernel would send from; "127.0.0.1" if there is no route to anywhere.
std::string local_address();

// What router.start and the answer to router.greet say. Whole seconds, truncated.
std::string start_message(const Config& config, const std::string& id, const std::string& local_ip);

// Takes in registrations and tells emitters of this router. Lives on the registry's strand.
class Bus {
 public:
  // `on_closed` is called when the bus has shut us out for good.
  Bus(asio::any_io_executor executor, const Config& config, routing::RouteRegistry& registry, BackendPool& backends,
      base::Metrics& metrics, base::Logger logger, std::function<void()> on_closed);
  ~Bus();

  // Three passes over the servers. Throws net::NatsError.
  asio::awaitable<void> connect();
  // Listens, and says that we have started. Throws net::NatsError, base::DeadlineExceeded.
  asio::awaitable<void> start();
  // Logs, at each ping interval, that the bus is away. Runs until cancelled.
  asio::awaitable<void> watch();
  asio::awaitable<void> close();

  bool is_connected() const { return nats_.is_connected(); }
  // True once after the connection was lost since the last call: what came meanwhile was missed.
  bool take_interruption() { return std::exchange(interrupted_, false); }
  const std::string& id() const { return id_; }

 private:
  void on_event(net::NatsEvent event, const std::string& server);
  void on_message(const net::NatsMessage& message);
  void apply(const net::NatsMessage& message, bool is_registration);
  void say_start();

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
  net::NatsClient nats_;
  net::NatsSubscription greetings_;
  net::NatsSubscription messages_;
};

}  // namespace rivera::gorouter
