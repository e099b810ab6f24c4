#include "bbs/active_bbs.h"

#include <atomic>

#include "base/task_group.h"
#include "bbs/api.h"
#include "bbs/auction_requests.h"
#include "bbs/convergence_loop.h"
#include "bbs/event_hub.h"
#include "bbs/event_service.h"
#include "bbs/rep_calls.h"
#include "bbs/services.h"
#include "bbs/task_callbacks.h"
#include "net/http_server.h"

namespace rivera::bbs {
namespace {

net::HttpClientOptions callback_options(const Config& config) {
  net::HttpClientOptions options;
  options.tls = net::TlsContext::client(config.tls);
  options.request_timeout = config.communication_timeout;
  options.connect_timeout = config.communication_timeout;
  options.response_limit = 1u << 20;
  return options;
}

net::HttpServerOptions listener_options(const Config& config) {
  net::HttpServerOptions options;
  options.address = config.listen_address;
  options.tls = net::TlsContext::mutual_server(config.tls);
  return options;
}

}  // namespace

struct ActiveBbs::Parts {
  Parts(Surroundings around, const Config& config)
      : surroundings(std::move(around)),
        logger(surroundings.logger),
        ledger(surroundings.home, surroundings.workers, surroundings.store, surroundings.clock,
               {{config.max_task_retries}, surroundings.give_up}, logger),
        hub(surroundings.home),
        auctions(surroundings.home, config.auctioneer, may_act, logger),
        reps(surroundings.home, surroundings.cells, config.rep, config.update_workers, may_act, logger),
        callbacks(surroundings.home, ledger, callback_options(config), config.task_callback_workers, may_act, logger),
        convergence(ledger, surroundings.cells, surroundings.clock, surroundings.metrics, config.convergence, logger),
        api(router, {may_act}, surroundings.metrics, logger),
        cluster_service(api, ledger, surroundings.cells, surroundings.clock),
        actual_lrp_service(api, surroundings.home, ledger, reps),
        evacuation_service(api, ledger),
        desired_lrp_service(api, ledger),
        task_service(api, ledger),
        event_service(router, api, surroundings.home, hub),
        routes(router.handler()),
        listener(
            surroundings.home, listener_options(config),
            [this](net::HttpExchange& exchange) { return serve(exchange); }, logger),
        loops(surroundings.home, logger),
        term_check_interval(config.lock_retry_interval) {
    ledger.on_commit([this](const Outcome& outcome) { publish(outcome); });
  }

  asio::awaitable<void> serve(net::HttpExchange& exchange) {
    if (!is_loaded) return refuse(exchange);
    return routes(exchange);
  }

  static asio::awaitable<void> refuse(net::HttpExchange& exchange) {
    net::HttpResponse response;
    response.status = 503;
    co_await exchange.respond(std::move(response));
  }

  // What is durable but was not told while the lock was certain is not told at all: another BBS may have gone on from
  // it. Every stream ends, so that its reader lists again.
  void publish(const Outcome& outcome) {
    if (!may_act()) {
      hub.close();
      return surroundings.give_up("the lock is not certain any more");
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

  Surroundings surroundings;
  base::Logger logger;
  Ledger ledger;
  const HasLock may_act = [this] { return surroundings.has_lock() && !ledger.is_superseded(); };
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
  base::TaskGroup loops;
  const std::chrono::nanoseconds term_check_interval;
  std::atomic<bool> is_loaded = false;
};

ActiveBbs::ActiveBbs(Surroundings surroundings, const Config& config)
    : parts_(std::make_unique<Parts>(std::move(surroundings), config)) {}

ActiveBbs::~ActiveBbs() = default;

asio::awaitable<void> ActiveBbs::start() {
  Parts& parts = *parts_;
  parts.listener.listen();
  parts.listener.start();
  // A process that was stopped in between must not end the term of the one that has the lock by now.
  auto take_over = [&around = parts.surroundings] {
    require_lock(around.has_lock);
    around.store.become_active();
  };
  co_await parts.surroundings.workers.run(std::move(take_over));
  parts.logger.session("migration-manager").info("finished-migrations");
  co_await parts.ledger.load();
  parts.is_loaded = true;
  parts.loops.spawn("convergence", parts.convergence.run());
  parts.loops.spawn("watch-term", parts.watch_term(parts.term_check_interval));
}

std::string ActiveBbs::address() const { return parts_->listener.address(); }

asio::awaitable<void> ActiveBbs::converge() { return parts_->convergence.converge(); }

asio::awaitable<void> ActiveBbs::stop(std::chrono::nanoseconds grace) {
  Parts& parts = *parts_;
  parts.hub.close();
  co_await parts.listener.stop(grace);
  co_await parts.loops.stop();
  co_await parts.callbacks.stop();
  co_await parts.ledger.stop();
  co_await parts.auctions.stop();
  co_await parts.reps.stop();
}

}  // namespace rivera::bbs
