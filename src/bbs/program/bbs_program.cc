#include "bbs/program/bbs_program.h"

#include <csignal>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/signal_set.hpp>

#include "base/work/periodic.h"
#include "base/work/task_group.h"
#include "bbs/outgoing/cells.h"
#include "bbs/program/active_bbs.h"
#include "clients/locket/lock_keeper.h"
#include "net/http/debug_server.h"
#include "net/http/http_server.h"

namespace rivera::bbs {
namespace {

constexpr auto kGrace = std::chrono::minutes(1);
constexpr auto kRuntimeInterval = std::chrono::seconds(10);   // docs/spec/loggregator.md §8
constexpr auto kDatabaseInterval = std::chrono::seconds(60);  // docs/spec/bbs.md §7.2
// The longest time that a BBS without the lock takes to end.
constexpr auto kEndWithoutLock = std::chrono::seconds(2);
// The part of it for streams to end cleanly and for requests to be refused.
constexpr auto kGraceWithoutLock = std::chrono::milliseconds(500);

// Plain HTTP, 200 for any path, on a standby too (docs/spec/bbs.md §1.4).
class HealthListener {
 public:
  HealthListener(asio::any_io_executor executor, const Config& config, base::Logger logger)
      : server_(executor, options_for(config), &HealthListener::answer, logger.session("health")) {
    server_.listen();
    server_.start();
  }
  asio::awaitable<void> stop() { return server_.stop(std::chrono::seconds(1)); }

 private:
  static net::HttpServerOptions options_for(const Config& config) {
    net::HttpServerOptions options;
    options.address = config.health_address;
    options.limits = config.client_limits;
    return options;
  }
  static asio::awaitable<void> answer(net::HttpExchange& exchange) {
    net::HttpResponse response;
    co_await exchange.respond(std::move(response));
  }

  net::HttpServer server_;
};

std::unique_ptr<AccessLog> make_access_log(const Config& config) {
  if (config.access_log_path.empty()) return nullptr;
  return std::make_unique<AccessLog>(config.access_log_path, config.session_name, config.log.time_format);
}

class BbsProcess {
 public:
  BbsProcess(base::Program& program, const Config& config)
      : program_(program),
        config_(config),
        logger_(program.logger()),
        lock_logger_(logger_.session("locket-lock")),
        loggregator_(
            clients::make_loggregator_client(config.loggregator, logger_, "failed-to-initialize-metron-client")),
        metrics_("bbs", loggregator_.get()),
        probe_(metrics_, config.advanced_metrics),
        access_log_(make_access_log(config)),
        cipher_(config.encryption_keys, config.active_key_label),
        database_(sql::Database::open(config.database)),
        store_(*database_, cipher_),
        debug_(program.executor(), config.debug_address, metrics_, logger_, config.client_limits),
        health_(program.executor(), config, logger_),
        locket_(program.executor(), config.locket),
        lock_(program.executor(), locket_, lock_options(config), logger_),
        cells_(locket_, logger_),
        watch_(program.executor(), logger_) {}

  asio::awaitable<void> run() {
    auto opening = [this] { store_.open(); };
    co_await program_.workers().run(std::move(opening));
    start_reports();
    lock_logger_.info("started");
    using namespace asio::experimental::awaitable_operators;
    auto either = lock_.acquire() || program_.stop_requested();
    const auto ended_by = co_await std::move(either);
    if (ended_by.index() == 0) co_await be_active();
    co_await lock_.release();
    co_await watch_.stop();
    co_await health_.stop();
    co_await debug_.stop();
  }

 private:
  asio::awaitable<void> be_active() {
    probe_.lock_held(true);
    lock_logger_.info("acquired-lock");
    watch_.spawn_critical("watch-lock", watch_lock());
    watch_.spawn("database-metrics", base::repeat_every(kDatabaseInterval, [this] { report_database(); }));
    ActiveBbs active({program_.executor(), program_.workers(), store_, cells_, clock_, probe_, logger_,
                      [this] { return lock_.is_held(); }, [this](const std::string& reason) { give_up(reason); },
                      *loggregator_, access_log_.get()},
                     config_);
    std::exception_ptr failure;
    try {
      co_await active.start();
      logger_.info("started", {{"address", active.address()}});
      co_await program_.stop_requested();
      logger_.info("stopping");
    } catch (...) {
      failure = std::current_exception();
    }
    const bool may_finish = lock_.is_held() && !failure;
    const auto grace = may_finish ? std::chrono::nanoseconds(kGrace) : std::chrono::nanoseconds(kGraceWithoutLock);
    co_await active.stop(grace);
    if (failure) {
      co_await lock_.release();
      std::rethrow_exception(failure);
    }
    co_await watch_.stop();
  }

  asio::awaitable<void> watch_lock() {
    co_await lock_.lost();
    lock_logger_.error("lost-lock");
    probe_.lock_held(false);
    give_up("the lock is lost");
  }

  // The metrics of a standby, too.
  void start_reports() {
    watch_.spawn("process-metrics", base::repeat_every(config_.report_interval, [this] { report_process(); }));
    watch_.spawn("runtime-metrics", base::repeat_every(kRuntimeInterval, [this] { probe_.report_runtime(); }));
    if (access_log_) watch_.spawn("access-log", reopen_access_log());
  }

  void report_process() {
    probe_.envelopes_lost(loggregator_->lost());
    probe_.report_process();
  }

  void report_database() { probe_.report_database(database_->take_statistics()); }

  // At each SIGHUP, as log rotation tools expect.
  asio::awaitable<void> reopen_access_log() {
    asio::signal_set hangups(program_.executor(), SIGHUP);
    for (;;) {
      co_await hangups.async_wait(asio::use_awaitable);
      try {
        access_log_->reopen();
      } catch (const std::system_error& e) {
        logger_.error("failed-to-reopen-access-log", {{"error", e.what()}});
      }
    }
  }

  void give_up(const std::string& reason) {
    logger_.error("giving-up", {{"reason", reason}});
    program_.request_stop(1, kEndWithoutLock);
  }

  base::Program& program_;
  const Config& config_;
  base::Logger logger_;
  base::Logger lock_logger_;  // test harnesses wait for its messages
  std::unique_ptr<clients::LoggregatorClient> loggregator_;
  base::Metrics metrics_;
  BbsProbe probe_;
  std::unique_ptr<AccessLog> access_log_;  // null: none is kept
  base::SystemClock clock_;
  ColumnCipher cipher_;
  std::unique_ptr<sql::Database> database_;
  Store store_;
  net::DebugServer debug_;
  HealthListener health_;
  clients::LocketClient locket_;
  clients::LockKeeper lock_;
  LocketCells cells_;
  base::TaskGroup watch_;
};

}  // namespace

clients::LockKeeperOptions lock_options(const Config& config) {
  clients::LockKeeperOptions options;
  options.key = "bbs";
  options.owner = config.uuid;
  options.ttl = config.lock_ttl;
  options.retry_interval = config.lock_retry_interval;
  return options;
}

asio::awaitable<void> run_bbs(base::Program& program, Config config) {
  BbsProcess process(program, config);
  co_await process.run();
}

void check_config(const Config& config) {
  net::TlsContext::mutual_server(config.tls);
  if (!config.auctioneer.tls.empty()) net::TlsContext::client(config.auctioneer.tls);
  if (!config.rep.tls.empty()) net::TlsContext::client(config.rep.tls);
  net::TlsContext::client(config.locket.tls);
  if (config.loggregator.is_enabled) net::TlsContext::client(config.loggregator.tls);
  const ColumnCipher cipher(config.encryption_keys, config.active_key_label);
  net::Endpoint::parse(config.auctioneer.url);
}

}  // namespace rivera::bbs
