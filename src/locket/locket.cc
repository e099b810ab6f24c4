#include "locket/locket.h"

#include "base/metrics/metrics.h"
#include "base/work/periodic.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "locket/health_check_loop.h"
#include "locket/lock_port.h"
#include "locket/lock_service.h"
#include "locket/locks/expiry_loop.h"
#include "locket/locks/lock_journal.h"
#include "locket/locks/lock_store.h"
#include "locket/locks/locket_probe.h"
#include "models/nouns/role.h"
#include "net/http/debug_server.h"
#include "sql/database.h"

namespace rivera::locket {
namespace {

constexpr auto kStopGrace = std::chrono::seconds(10);
constexpr auto kRuntimeInterval = std::chrono::seconds(10);
constexpr auto kExpiryInterval = std::chrono::seconds(60);

// The parts that need a database.
struct Engine {
  Engine(asio::any_io_executor executor, base::WorkerPool& workers, std::unique_ptr<sql::Database> opened,
         const Config& config, LocketProbe& probe, const base::Logger& logger, std::function<void()> unrecoverable)
      : database(std::move(opened)),
        store(database->dialect()),
        journal(executor, workers, *database, logger),
        expiry(executor, workers, *database, store, journal, probe, logger),
        reads(executor, workers, *database, config.database.operation_timeout, logger),
        service({database->engine(), store, journal, reads, expiry, probe}, config.database.operation_timeout, logger,
                std::move(unrecoverable)),
        server(executor, service, probe, net::AccessControl(config.authorization, models::role_bits, logger), logger) {}

  std::unique_ptr<sql::Database> database;
  LockStore store;
  LockJournal journal;
  ExpiryLoop expiry;
  LockReads reads;
  LockService service;
  LockPort server;
};

}  // namespace

class Locket::Impl {
 public:
  Impl(asio::any_io_executor home, base::WorkerPool& pool, Config given, base::Logger log,
       std::function<void(int)> request_stop)
      : executor_(home),
        workers_(pool),
        config_(std::move(given)),
        logger_(std::move(log)),
        stop_(std::move(request_stop)),
        loggregator_(
            clients::make_loggregator_client(config_.loggregator, logger_, "failed-to-initialize-metron-client")),
        metrics_("locket", loggregator_.get()),
        probe_(metrics_),
        debug_(home, config_.debug_address, metrics_, logger_, config_.client_limits),
        tasks_(home, logger_) {}

  asio::awaitable<void> start() {
    check_tls();
    auto database = co_await open_database();
    engine_ = std::make_unique<Engine>(executor_, workers_, std::move(database), config_, probe_, logger_,
                                       [this] { stop_for_good(); });
    co_await create_tables();
    engine_->journal.start();
    co_await engine_->expiry.start();
    tasks_.spawn("metrics", report_metrics());
    tasks_.spawn("expiry-metrics", base::repeat_every(kExpiryInterval, [this] { probe_.report_expired(); }));
    tasks_.spawn("runtime-metrics", base::repeat_every(kRuntimeInterval, [this] { probe_.report_runtime(); }));
    if (config_.enable_db_health_check) {
      tasks_.spawn_critical("health-check",
                            run_health_checks(engine_->journal, config_, logger_, [this] { stop_(1); }));
    }
    // Last: requests arrive from here on.
    engine_->server.start(config_.listen_address, config_.tls, config_.client_limits);
    logger_.info("started", {{"listen_address", engine_->server.address()}});
  }

  asio::awaitable<void> stop() {
    if (engine_) co_await engine_->server.stop(kStopGrace);
    co_await tasks_.stop();
    if (engine_) {
      co_await engine_->expiry.stop();
      co_await engine_->reads.stop();
      co_await engine_->journal.stop();
    }
    co_await debug_.stop();
    logger_.info("exited");
  }

  std::string address() const { return engine_ ? engine_->server.address() : ""; }

 private:
  void check_tls() {
    try {
      check_tls_files(config_.tls);
    } catch (const std::exception& e) {
      logger_.fatal("invalid-tls-config", {{"error", e.what()}});
      throw;
    }
  }

  asio::awaitable<std::unique_ptr<sql::Database>> open_database() {
    try {
      auto open = [config = config_.database] { return sql::Database::open(config); };
      auto database = co_await workers_.run(std::move(open));
      co_return std::move(database);
    } catch (const sql::Error& e) {
      logger_.fatal("sql-failed-to-connect", {{"error", e.what()}});
      throw;
    }
  }

  asio::awaitable<void> create_tables() {
    try {
      auto create = [engine = engine_.get(), health_check = config_.enable_db_health_check] {
        auto connection = engine->database->connect();
        engine->store.create_table(connection);
        if (health_check) create_health_check_table(connection);
      };
      co_await workers_.run(std::move(create));
    } catch (const sql::Error& e) {
      logger_.fatal("failed-to-create-lock-table", {{"error", e.what()}});
      throw;
    }
  }

  asio::awaitable<void> report_metrics() {
    while (true) {
      co_await report_locks();
      probe_.report(engine_->database->take_statistics());
      co_await base::sleep_for(config_.report_interval);
    }
  }

  asio::awaitable<void> report_locks() {
    auto count = [engine = engine_.get()] {
      auto connection = engine->database->connect();
      return std::pair(engine->store.count(connection, kLockType), engine->store.count(connection, kPresenceType));
    };
    try {
      const auto [locks, presences] = co_await workers_.run(std::move(count));
      probe_.report_locks(locks, presences);
    } catch (const sql::Error& e) {
      logger_.error("failed-to-count-locks", {{"error", e.what()}});
    }
  }

  void stop_for_good() {
    logger_.error("shutting-down-due-to-unrecoverable-error");
    stop_(0);
  }

  asio::any_io_executor executor_;
  base::WorkerPool& workers_;
  Config config_;
  base::Logger logger_;
  std::function<void(int)> stop_;
  std::unique_ptr<clients::LoggregatorClient> loggregator_;
  base::Metrics metrics_;
  LocketProbe probe_;
  net::DebugServer debug_;
  std::unique_ptr<Engine> engine_;
  base::TaskGroup tasks_;
};

Locket::Locket(asio::any_io_executor executor, base::WorkerPool& workers, Config config, base::Logger logger,
               std::function<void(int)> stop)
    : impl_(std::make_unique<Impl>(std::move(executor), workers, std::move(config), std::move(logger),
                                   std::move(stop))) {}
Locket::~Locket() = default;

asio::awaitable<void> Locket::start() { return impl_->start(); }
std::string Locket::address() const { return impl_->address(); }
asio::awaitable<void> Locket::stop() { return impl_->stop(); }

}  // namespace rivera::locket
