#include "gorouter/gorouter.h"

#include <ctime>
#include <random>
#include <unistd.h>

#include "base/files.h"
#include "base/work/cancellation.h"
#include "gorouter/proxy/frontend.h"

namespace rivera::gorouter {
namespace {

using namespace std::chrono_literals;

constexpr auto kPublishEvery = 1s;

}  // namespace

Gorouter::Gorouter(asio::any_io_executor executor, base::WorkerPool& workers, Config config, base::Logger logger,
                   std::function<void(int)> on_end)
    : config_(std::move(config)),
      logger_(logger),
      on_end_(std::move(on_end)),
      metrics_("gorouter"),
      registry_(config_.registry),
      backends_(config_),
      access_log_(executor, workers, config_, logger),
      plane_{executor, config_, registry_, backends_, access_log_, probe_, logger, local_address()},
      bus_(executor, config_, registry_, backends_, metrics_, logger, [this] { on_end_(1); }),
      frontend_(std::make_unique<Frontend>(plane_)),
      drain_ended_(executor),
      tasks_(executor, logger),
      drain_task_(executor, logger) {
  plane_.random = std::random_device{}() | 1u;
  renew_date();
  status_ = std::make_unique<StatusServers>(plane_, bus_.id());
  debug_server_ =
      std::make_unique<net::DebugServer>(executor, config_.debug_addr, metrics_, logger, config_.client_limits);
}

Gorouter::~Gorouter() = default;

std::string Gorouter::http_address() const { return frontend_->http_address(); }
std::string Gorouter::https_address() const { return frontend_->https_address(); }
std::string Gorouter::health_address() const { return status_->health_address(); }
std::string Gorouter::routes_address() const { return status_->routes_address(); }

void Gorouter::start() { tasks_.spawn_critical("run", run()); }

asio::awaitable<void> Gorouter::run() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  std::string failure;
  try {
    co_await begin();
    co_return;
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    failure = e.what();
  }
  logger_.fatal("exited-with-failure", {{"error", failure}});
  on_end_(1);
}

asio::awaitable<void> Gorouter::begin() {
  logger_.info("starting");
  if (!config_.pid_file.empty()) base::write_file_atomically(config_.pid_file, std::to_string(::getpid()) + "\n");
  co_await bus_.connect();
  tasks_.spawn_critical("publish-metrics", publish_metrics());
  co_await bus_.start();
  tasks_.spawn_critical("watch-bus", bus_.watch());
  tasks_.spawn_critical("prune", prune());
  // A 404 before the table is filled would be wrong.
  logger_.info("waiting-for-route-registration",
               {{"seconds", std::chrono::duration<double>(config_.start_response_delay).count()}});
  co_await base::sleep_for(config_.start_response_delay);
  if (draining_) co_return;
  frontend_->open();
  plane_.health = Health::kHealthy;
  logger_.info("started", {{"http", http_address()}, {"https", https_address()}, {"routes", registry_.route_count()}});
}

// Removes stale routes; not while the bus is disconnected, if so configured (docs/spec/routing.md §3.7).
asio::awaitable<void> Gorouter::prune() {
  for (;;) {
    co_await base::sleep_for(config_.prune_interval);
    const auto now = std::chrono::steady_clock::now();
    if (config_.suspend_pruning_if_nats_unavailable) {
      if (!bus_.is_connected()) {
        logger_.info("prune-suspended");
        continue;
      }
      if (bus_.take_interruption()) registry_.refresh_all(now);
    }
    std::size_t endpoints = 0;
    for (const auto& pruned : registry_.prune(now)) {
      endpoints += pruned.endpoints.size();
      for (const auto& endpoint : pruned.endpoints) {
        backends_.close_idle(endpoint->address);
        logger_.info("pruned-route", {{"uri", pruned.route}, {"endpoint", endpoint->address}});
      }
    }
    metrics_.increment("routes_pruned", static_cast<double>(endpoints));
  }
}

void Gorouter::renew_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[64];
  plane_.date.assign(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts));
}

asio::awaitable<void> Gorouter::publish_metrics() {
  RouterProbe last;
  for (;;) {
    renew_date();
    const RouterProbe now = probe_;
    const auto grown = [&](const char* name, std::uint64_t RouterProbe::*member,
                           const base::MetricLabels& labels = {}) {
      metrics_.increment(name, static_cast<double>(now.*member - last.*member), labels);
    };
    grown("total_requests", &RouterProbe::total_requests);
    grown("rejected_requests", &RouterProbe::rejected_requests);
    grown("bad_gateways", &RouterProbe::bad_gateways);
    grown("backend_exhausted_conns", &RouterProbe::backend_exhausted_conns);
    grown("backend_invalid_id", &RouterProbe::backend_invalid_id);
    grown("backend_invalid_tls_cert", &RouterProbe::backend_invalid_tls_cert);
    grown("backend_tls_handshake_failed", &RouterProbe::backend_tls_handshake_failed);
    grown("websocket_upgrades", &RouterProbe::websocket_upgrades);
    grown("websocket_failures", &RouterProbe::websocket_failures);
    static constexpr const char* kGroups[] = {"xxx", "1xx", "2xx", "3xx", "4xx", "5xx"};
    for (int i = 0; i < 6; ++i) {
      metrics_.increment("responses", static_cast<double>(now.responses_by_class[i] - last.responses_by_class[i]),
                         {{"status_group", kGroups[i]}});
    }
    metrics_.set("total_routes", static_cast<double>(registry_.route_count()));
    metrics_.set("client_connections", static_cast<double>(now.client_connections));
    metrics_.set("idle_backend_connections", static_cast<double>(backends_.idle()));
    last = now;
    co_await base::sleep_for(kPublishEvery);
  }
}

void Gorouter::begin_drain() {
  if (draining_) {
    logger_.info("signal.ignored");
    return;
  }
  draining_ = true;
  drain_task_.spawn_critical("drain", drain());
}

asio::awaitable<void> Gorouter::drain() {
  logger_.info("draining");
  plane_.health = Health::kDegraded;
  co_await base::sleep_for(config_.drain_wait);
  const bool done = co_await frontend_->drain(config_.drain_timeout);
  if (!done) logger_.error("router.drain.timed-out");
  drained_ = true;
  drain_ended_.notify_all();
  logger_.info("stopped");
  on_end_(0);
}

asio::awaitable<void> Gorouter::stop() {
  while (draining_ && !drained_) co_await drain_ended_.wait();
  on_end_ = [](int) {};
  plane_.health = Health::kDegraded;
  co_await drain_task_.stop();
  co_await tasks_.stop();
  co_await frontend_->stop();
  co_await status_->stop();
  co_await bus_.close();
  co_await access_log_.stop();
  co_await debug_server_->stop();
}

}  // namespace rivera::gorouter
