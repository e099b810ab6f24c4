#include "subscriber.h"

#include <boost/asio/co_spawn.hpp>

#include "clients/bbs_client.h"

namespace rivera::bench {

Subscriber::Subscriber(const std::string& address, const net::TlsFiles& tls) {
  asio::co_spawn(io_, listen(address, tls), [](std::exception_ptr) {});
  thread_ = std::thread([this] { io_.run(); });
  while (!open_) std::this_thread::yield();
}

Subscriber::~Subscriber() {
  io_.stop();
  thread_.join();
}

asio::awaitable<void> Subscriber::listen(std::string address, net::TlsFiles tls) {
  clients::BbsClientOptions options;
  options.url = "https://" + address;
  options.tls = tls;
  clients::BbsClient client(io_.get_executor(), options);
  const auto stream = co_await client.subscribe_to_instance_events("");
  open_ = true;
  for (;;) {
    std::optional<clients::BbsEvent> event = co_await stream->next();
    if (!event) co_return;
    ++events_;
    if (event->name != "actual_lrp_instance_changed") continue;
    const auto now = Clock::now();
    const auto change = event->as<models::ActualLRPInstanceChangedEvent>();
    if (change.after().state() != "RUNNING") continue;
    const std::lock_guard lock(mutex_);
    running_.emplace(change.actual_lrp_instance_key().instance_guid(), now);
  }
}

Subscriber::Clock::time_point Subscriber::running_since(const std::string& guid) {
  const auto deadline = Clock::now() + std::chrono::seconds(10);
  while (Clock::now() < deadline) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = running_.find(guid);
      if (found != running_.end()) return found->second;
    }
    std::this_thread::yield();
  }
  throw std::runtime_error("no event says that " + guid + " is running");
}

}  // namespace rivera::bench
