#include "route_emitter/route_emitter.h"

#include "base/work/cancellation.h"

namespace rivera::route_emitter {
namespace {

using namespace std::chrono_literals;

constexpr char kLockKey[] = "route_emitter";
constexpr auto kLockTtl = 15s;
constexpr auto kLockRetry = 1s;

net::NatsClientOptions nats_options(const Config& config,
                                    std::function<void(net::NatsEvent, const std::string&)> on_event) {
  net::NatsClientOptions options;
  options.servers = config.nats_addresses;
  options.user = config.nats_username;
  options.password = config.nats_password;
  if (config.nats_tls_enabled) options.tls = net::TlsContext::client(config.nats_tls);
  options.on_event = std::move(on_event);
  return options;
}

EmitterOptions emitter_options(const Config& config) {
  EmitterOptions options;
  options.internal_routes = config.enable_internal_emitter;
  options.unregistration_interval = config.unregistration_interval;
  options.unregistration_send_count = config.unregistration_send_count;
  return options;
}

}  // namespace

RouteEmitter::RouteEmitter(asio::any_io_executor executor, Config config, base::Logger logger,
                           std::function<void(int)> on_end)
    : executor_(executor),
      config_(std::move(config)),
      logger_(logger),
      on_end_(std::move(on_end)),
      metrics_("route_emitter"),
      broadcast_changed_(executor),
      nats_(executor,
            nats_options(config_, [this](net::NatsEvent e, const std::string& server) { on_bus_event(e, server); }),
            logger.session("nats-runner")),
      bbs_(executor, config_.bbs),
      emitter_(executor, nats_, emitter_options(config_), metrics_, logger),
      watcher_(
          executor, bbs_, {config_.cell_id, config_.register_direct_instance_routes, config_.sync_interval},
          [this](const routing::RouteChanges& changes) { emitter_.emit(changes); }, metrics_, logger),
      router_schedule_(
          executor, nats_, "router", config_.jitter_factor,
          [this] {
            router_broadcast_due_ = true;
            broadcast_changed_.notify_all();
          },
          logger),
      discovery_schedule_(
          executor, nats_, "service-discovery", config_.jitter_factor,
          [this] {
            discovery_broadcast_due_ = true;
            broadcast_changed_.notify_all();
          },
          logger),
      tasks_(executor, logger) {
  if (config_.locket) {
    locket_ = std::make_unique<clients::LocketClient>(executor, *config_.locket);
    clients::LockKeeperOptions options;
    options.key = kLockKey;
    options.owner = config_.uuid;
    options.ttl = kLockTtl;
    options.retry_interval = kLockRetry;
    lock_ = std::make_unique<clients::LockKeeper>(executor, *locket_, options, logger);
  }
  debug_server_ =
      std::make_unique<net::DebugServer>(executor, config_.debug_address, metrics_, logger, config_.client_limits);
}

RouteEmitter::~RouteEmitter() = default;

std::string RouteEmitter::health_address() const { return health_server_ ? health_server_->address() : ""; }

void RouteEmitter::start() { tasks_.spawn_critical("run", run()); }

// Ends by a failure or by cancellation only.
asio::awaitable<void> RouteEmitter::run() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  std::string failure;
  try {
    co_await work();
    failure = "the lock was lost";
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    failure = e.what();
  }
  logger_.error("finished-with-failure", {{"error", failure}});
  logger_.info("exited");
  on_end_(1);
}

asio::awaitable<void> RouteEmitter::work() {
  logger_.info("setting-nats-ping-interval", {{"duration-in-seconds", 20}});
  try {
    co_await nats_.connect();
  } catch (const net::NatsError& e) {
    logger_.error("nats-runner.connecting-to-nats-failed", {{"error", e.what()}});
    throw;
  }
  logger_.info("nats-runner.connecting-to-nats-succeeeded", {{"server", nats_.server()}});
  listen();
  if (lock_) co_await lock_->acquire();
  tasks_.spawn_critical("emit", emitter_.run());
  tasks_.spawn_critical("watch", watcher_.run());
  tasks_.spawn_critical("broadcast", broadcast_when_due());
  tasks_.spawn_critical("schedule", router_schedule_.run());
  if (config_.enable_internal_emitter) tasks_.spawn_critical("schedule", discovery_schedule_.run());
  logger_.info("started");
  co_await hold_lock();
}

asio::awaitable<void> RouteEmitter::hold_lock() {
  if (lock_) {
    co_await lock_->lost();
    co_return;
  }
  base::Condition never(executor_);
  for (;;) co_await never.wait();
}

void RouteEmitter::listen() {
  if (config_.healthcheck_address.empty()) return;
  net::HttpServerOptions options;
  options.address = config_.healthcheck_address;
  options.limits = config_.client_limits;
  auto answer = [](net::HttpExchange& exchange) { return exchange.respond(net::text_response(200, "")); };
  health_server_ = std::make_unique<net::HttpServer>(executor_, options, answer, logger_.session("healthcheck"));
  health_server_->listen();
  health_server_->start();
}

void RouteEmitter::on_bus_event(net::NatsEvent event, const std::string& server) {
  switch (event) {
    case net::NatsEvent::kDisconnected:
      logger_.info("nats-disconnected", {{"server", server}});
      break;
    case net::NatsEvent::kReconnected:
      logger_.info("nats-reconnected", {{"server", server}});
      router_schedule_.broadcast_soon();
      discovery_schedule_.broadcast_soon();
      break;
    case net::NatsEvent::kClosed:
      logger_.error("nats-runner.unexpected-nats-close", {{"server", server}});
      on_end_(1);
      break;
  }
}

// Publishes all registrations in portions, so that changes are published in between.
asio::awaitable<void> RouteEmitter::broadcast_when_due() {
  for (;;) {
    while (!router_broadcast_due_ && !discovery_broadcast_due_) co_await broadcast_changed_.wait();
    const bool to_routers = std::exchange(router_broadcast_due_, false);
    const bool to_discovery = std::exchange(discovery_broadcast_due_, false);
    std::size_t said = 0;
    const auto say = [&](const routing::RouteMessage& message) {
      const bool internal = message.kind == routing::Route::Kind::kInternal;
      if (internal ? !to_discovery : !to_routers) return;
      emitter_.broadcast(message);
      if (!internal) ++said;
    };
    for (const auto& guid : watcher_.table().process_guids()) {
      co_await emitter_.ready_for_more();
      watcher_.table().for_each_registration_of(guid, say);
    }
    if (to_routers) {
      metrics_.set("RoutesTotal", static_cast<double>(said));
      metrics_.increment("RoutesSynced", static_cast<double>(said));
    }
  }
}

asio::awaitable<void> RouteEmitter::stop() {
  on_end_ = [](int) {};
  co_await tasks_.stop();
  if (lock_) co_await lock_->release();
  if (health_server_) co_await health_server_->stop(1s);
  co_await nats_.close();
  co_await debug_server_->stop();
}

}  // namespace rivera::route_emitter
