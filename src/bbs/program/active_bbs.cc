#include "bbs/program/active_bbs.h"

#include <atomic>

#include "base/work/periodic.h"
#include "base/work/task_group.h"
#include "bbs/api/api.h"
#include "bbs/api/event_service.h"
#include "bbs/api/services.h"
#include "bbs/events/event_hub.h"
#include "bbs/outgoing/auction_requests.h"
#include "bbs/outgoing/rep_calls.h"
#include "bbs/outgoing/task_callbacks.h"
#include "bbs/program/convergence_loop.h"
#include "bbs/rows/schema.h"
#include "bbs/store/database_check_loop.h"
#include "bbs/store/key_rotation_loop.h"
#include "net/http/http_server.h"

namespace rivera::bbs {
namespace {

constexpr auto kStatisticsInterval =
    std::chrono::seconds(15);  // of the findings of convergence (docs/spec/bbs.md §7.2)

net::HttpClientOptions callback_options(const Config& config) {
  net::HttpClientOptions options;
  options.tls = net::TlsContext::client(config.tls);
  options.request_timeout = config.communication_timeout;
  options.connect_timeout = config.communication_timeout;
  options.response_limit = 1u << 20;
  return options;
}

net::HttpServerOptions listener_options(const Config& config, const base::Logger& logger) {
  net::HttpServerOptions options;
  options.address = config.listen_address;
  options.tls = net::TlsContext::mutual_server(config.tls);
  options.access = net::AccessControl(config.authorization, models::role_bits, logger);
  options.limits = config.client_limits;
  return options;
}

}  // namespace

struct ActiveBbs::Parts {
  Parts(Dependencies given, const Config& config)
      : dependencies(std::move(given)),
        logger(dependencies.logger),
        ledger(dependencies.home, dependencies.workers, dependencies.store, dependencies.clock,
               {{config.max_task_retries}, config.reconcile_before_calls, dependencies.give_up, {}}, logger),
        hub(dependencies.home),
        auctions(dependencies.home, config.auctioneer, may_act, logger),
        reps(dependencies.home, dependencies.cells, config.rep, config.update_workers, may_act, logger),
        callbacks(dependencies.home, ledger, callback_options(config), config.task_callback_workers, may_act, logger),
        convergence(ledger, dependencies.cells, dependencies.clock, dependencies.probe, config.convergence, logger),
        api(router, dependencies.workers, {may_act}, dependencies.probe, logger),
        cluster_service(api, ledger, dependencies.cells, dependencies.clock),
        actual_lrp_service(api, dependencies.home, ledger, dependencies.workers, reps),
        evacuation_service(api, ledger),
        desired_lrp_service(api, ledger, dependencies.workers, dependencies.loggregator),
        task_service(api, ledger, dependencies.workers, dependencies.probe),
        event_service(router, api, hub),
        routes(router.handler()),
        listener(
            dependencies.home, listener_options(config, logger),
            [this](net::HttpExchange& exchange) { return serve(exchange); }, logger),
        report_interval(config.report_interval),
        key_rotation(dependencies.store, dependencies.workers, logger),
        database_check(
            dependencies.home, dependencies.workers,
            [&store = dependencies.store, &clock = dependencies.clock] {
              check_database(store.database(), base::to_unix_nanos(clock.now()));
            },
            config.database_check, logger),
        loops(dependencies.home, logger),
        term_check_interval(config.lock_retry_interval) {
    ledger.on_commit([this](const Outcome& outcome) { publish(outcome); });
  }

  asio::awaitable<void> serve(net::HttpExchange& exchange) {
    if (!is_loaded) return refuse(exchange);
    if (dependencies.access_log != nullptr) return dependencies.access_log->serve(routes, exchange);
    return routes(exchange);
  }

  // Migrates the tables and begins this BBS's term.
  asio::awaitable<void> take_over() {
    const auto started = std::chrono::steady_clock::now();
    // A process that was stopped in between must not end the term of the present lock holder.
    auto migrating = [&given = dependencies, log = logger.session("migration-manager")] {
      require_lock(given.has_lock);
      given.store.become_active([&log](const MigrationProgress& step) {
        log.info("migrated", {{"version", step.version}, {"what", step.what}, {"nanoseconds", step.took.count()}});
      });
    };
    co_await dependencies.workers.run(std::move(migrating));
    dependencies.probe.migrated(std::chrono::steady_clock::now() - started);
    logger.session("migration-manager").info("finished-migrations", {{"version", kSchemaVersion}});
  }

  void run_in_background() {
    loops.spawn_critical("convergence", convergence.run());
    loops.spawn_critical("key-rotation", key_rotation.run([&probe = dependencies.probe](std::chrono::nanoseconds took) {
      probe.encrypted(took);
    }));
    loops.spawn_critical("database-check", database_check.run(dependencies.give_up));
    loops.spawn_critical("watch-term", watch_term(term_check_interval));
  }

  static asio::awaitable<void> refuse(net::HttpExchange& exchange) {
    net::HttpResponse response;
    response.status = 503;
    co_await exchange.respond(std::move(response));
  }

  void start_reports() {
    BbsProbe& probe = dependencies.probe;
    loops.spawn("request-metrics", base::repeat_every(report_interval, [&probe] { probe.report_requests(); }));
    loops.spawn("statistics", base::repeat_every(kStatisticsInterval, [&probe] { probe.report_statistics(); }));
  }

  // Changes that became durable but were not published while the lock was certainly held are never published: another
  // BBS may have continued from them. Every stream ends, so that its reader lists again.
  void publish(const Outcome& outcome) {
    if (!may_act()) {
      hub.close();
      return dependencies.give_up("the lock is not certain any more");
    }
    hub.publish(outcome.events);
    for (const FollowUp& follow_up : outcome.follow_ups) {
      std::visit([this](const auto& what) { follow(what); }, follow_up);
    }
  }

  void follow(const AuctionLRP& what) { auctions.request(what); }
  void follow(const AuctionTask& what) { auctions.request(what); }
  void follow(const StopInstance& what) { reps.make(what); }
  void follow(const UpdateInstance& what) { reps.make(what); }
  void follow(const CancelTaskOnCell& what) { reps.make(what); }
  void follow(const CompletionCallback& what) { callbacks.submit(what.task); }

  // A term may end although the lock is held: two BBSes of one uuid share it.
  asio::awaitable<void> watch_term(std::chrono::nanoseconds interval) {
    while (!ledger.is_superseded()) {
      co_await base::sleep_for(interval);
      try {
        co_await ledger.check_term();
      } catch (const sql::Error& e) {
        logger.error("failed-to-check-term", {{"error", e.what()}});
      }
    }
  }

  Dependencies dependencies;
  base::Logger logger;
  Ledger ledger;
  const HasLock may_act = [this] { return dependencies.has_lock() && !ledger.is_superseded(); };
  EventHub hub;
  AuctionRequests auctions;
  RepCalls reps;
  TaskCallbacks callbacks;
  ConvergenceLoop convergence;
  net::HttpRouter router;
  Api api;
  ClusterService cluster_service;
  ActualLRPService actual_lrp_service;
  EvacuationService evacuation_service;
  DesiredLRPService desired_lrp_service;
  TaskService task_service;
  EventService event_service;
  net::HttpHandler routes;
  net::HttpServer listener;
  std::chrono::nanoseconds report_interval;
  KeyRotationLoop key_rotation;
  DatabaseCheckLoop database_check;
  base::TaskGroup loops;
  const std::chrono::nanoseconds term_check_interval;
  std::atomic<bool> is_loaded = false;
};

ActiveBbs::ActiveBbs(Dependencies dependencies, const Config& config)
    : parts_(std::make_unique<Parts>(std::move(dependencies), config)) {}

ActiveBbs::~ActiveBbs() = default;

asio::awaitable<void> ActiveBbs::start() {
  Parts& parts = *parts_;
  parts.listener.listen();
  parts.listener.start();
  co_await parts.take_over();
  co_await parts.ledger.load();
  parts.is_loaded = true;
  parts.dependencies.probe.elected();
  parts.start_reports();
  parts.run_in_background();
}

std::string ActiveBbs::address() const { return parts_->listener.address(); }

std::vector<std::pair<std::string, std::string>> ActiveBbs::routes() const { return parts_->router.routes(); }

asio::awaitable<void> ActiveBbs::converge() { return parts_->convergence.converge(); }

asio::awaitable<void> ActiveBbs::stop(std::chrono::nanoseconds grace) {
  Parts& parts = *parts_;
  parts.hub.close();
  co_await parts.listener.stop(grace);
  co_await parts.loops.stop();
  co_await parts.database_check.stop();
  co_await parts.callbacks.stop();
  co_await parts.ledger.stop();
  co_await parts.auctions.stop();
  co_await parts.reps.stop();
}

}  // namespace rivera::bbs
