#include "auctioneer/auctioneer.h"

#include "auctioneer/auction_service.h"
#include "auctioneer/auctions/auction_loop.h"
#include "base/work/cancellation.h"
#include "base/work/periodic.h"
#include "base/work/task_group.h"
#include "clients/locket/lock_keeper.h"
#include "models/nouns/role.h"
#include "net/http/debug_server.h"

namespace rivera::auctioneer {
namespace {

constexpr char kLockKey[] = "auctioneer";
constexpr std::chrono::seconds kLockTtl{15};
constexpr std::chrono::seconds kLockRetryInterval{1};
constexpr std::chrono::seconds kGraceForRequests{3};
constexpr std::chrono::seconds kRuntimeInterval{10};

clients::BbsClientOptions bbs_options(const Config& config) {
  clients::BbsClientOptions options;
  options.url = config.bbs_address;
  options.tls = config.bbs_tls;
  options.request_timeout = config.communication_timeout;
  return options;
}

clients::RepClientOptions rep_options(const Config& config) {
  clients::RepClientOptions options;
  options.tls = config.rep_tls;
  options.require_tls = !config.rep_tls.empty();
  options.state_timeout = config.cell_state_timeout;
  options.request_timeout = config.communication_timeout;
  return options;
}

net::HttpServerOptions server_options(const Config& config, const base::Logger& logger) {
  net::HttpServerOptions options;
  options.address = config.listen_address;
  if (!config.server_tls.empty()) options.tls = net::TlsContext::mutual_server(config.server_tls);
  options.access = net::AccessControl(config.authorization, models::role_bits, logger);
  options.limits = config.client_limits;
  return options;
}

clients::LockKeeperOptions lock_options(const Config& config) {
  clients::LockKeeperOptions options;
  options.key = kLockKey;
  options.owner = config.uuid;
  options.ttl = kLockTtl;
  options.retry_interval = kLockRetryInterval;
  return options;
}

// Runs `make()`; if it throws, logs the error under `name` and rethrows.
template <typename Make>
auto named(const base::Logger& logger, std::string_view name, Make make) {
  try {
    return make();
  } catch (const std::exception& e) {
    logger.fatal(name, {{"error", e.what()}});
    throw;
  }
}

}  // namespace

class Auctioneer::Impl {
 public:
  Impl(asio::any_io_executor executor, base::WorkerPool& workers, Config given, base::Logger log,
       std::function<void(std::string)> on_failure_given)
      : config_(std::move(given)),
        logger_(std::move(log)),
        on_failure_(std::move(on_failure_given)),
        executor_(executor),
        loggregator_(clients::make_loggregator_client(config_.loggregator, logger_, "failed-to-initialize-metron")),
        metrics_("auctioneer", loggregator_.get()),
        probe_(metrics_),
        server_options_(named(logger_, "invalid-tls-config", [this] { return server_options(config_, logger_); })),
        bbs_(executor, bbs_options(config_)),
        reps_(executor, rep_options(config_)),
        locket_(executor, config_.locket),
        keeper_(executor, locket_, lock_options(config_), logger_),
        loop_(executor, {config_.placement, config_.workers}, bbs_, reps_, workers, clock_, probe_, logger_),
        service_(loop_, probe_, logger_),
        tasks_(executor, logger_) {}

  asio::awaitable<void> start() {
    debug_ =
        std::make_unique<net::DebugServer>(executor_, config_.debug_address, metrics_, logger_, config_.client_limits);
    tasks_.spawn("lock-held-metrics", base::repeat_every(config_.report_interval, [this] { probe_.report_lock(); }));
    tasks_.spawn("runtime-metrics", base::repeat_every(kRuntimeInterval, [this] { probe_.report_runtime(); }));
    tasks_.spawn_critical("auctioneer", become_active());
    co_return;
  }

  asio::awaitable<void> stop() {
    if (server_) co_await server_->stop(has_failed_ ? std::chrono::seconds(0) : kGraceForRequests);
    co_await tasks_.stop();
    co_await keeper_.release();
    if (debug_) co_await debug_->stop();
  }

  bool is_active() const { return server_ != nullptr; }
  std::string address() const { return server_ ? server_->address() : ""; }

 private:
  // Becomes active and stays so. Every end but cancellation is a failure.
  asio::awaitable<void> become_active() {
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    std::string failure;
    try {
      co_await check_locket();
      co_await keeper_.acquire();
      probe_.lock_held(true);
      tasks_.spawn_critical("auctions", run_auctions());
      serve();
      logger_.info("started");
      co_await keeper_.lost();
      failure = "lost lock";
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      failure = e.what();
    }
    fail(std::move(failure));
  }

  // Fails at once if Locket cannot be reached, instead of waiting for the lock without a limit.
  asio::awaitable<void> check_locket() {
    std::string failure;
    try {
      co_await locket_.fetch(kLockKey);
      co_return;
    } catch (const clients::LocketError& e) {
      failure = e.what();
    }
    logger_.fatal("failed-to-connect-to-locket", {{"error", failure}});
    throw std::runtime_error("cannot reach Locket at " + config_.locket.address + ": " + failure);
  }

  void serve() {
    auto server = std::make_unique<net::HttpServer>(executor_, server_options_, service_.handler(),
                                                    logger_.session("auction-server"));
    server->listen();
    server->start();
    server_ = std::move(server);
  }

  asio::awaitable<void> run_auctions() {
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    std::string failure;
    try {
      co_await loop_.run();
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      failure = e.what();
    }
    fail("the auctions ended: " + failure);
  }

  void fail(std::string why) {
    if (has_failed_) return;
    has_failed_ = true;
    on_failure_(std::move(why));
  }

  Config config_;
  base::Logger logger_;
  std::function<void(std::string)> on_failure_;
  asio::any_io_executor executor_;
  base::SystemClock clock_;
  std::unique_ptr<clients::LoggregatorClient> loggregator_;
  base::Metrics metrics_;
  AuctioneerProbe probe_;
  net::HttpServerOptions server_options_;
  clients::BbsClient bbs_;
  clients::RepClientFactory reps_;
  clients::LocketClient locket_;
  clients::LockKeeper keeper_;
  AuctionLoop loop_;
  AuctionService service_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<net::DebugServer> debug_;
  base::TaskGroup tasks_;
  bool has_failed_ = false;
};

Auctioneer::Auctioneer(asio::any_io_executor executor, base::WorkerPool& workers, Config config, base::Logger logger,
                       std::function<void(std::string)> on_failure)
    : impl_(std::make_unique<Impl>(std::move(executor), workers, std::move(config), std::move(logger),
                                   std::move(on_failure))) {}
Auctioneer::~Auctioneer() = default;

asio::awaitable<void> Auctioneer::start() { return impl_->start(); }
asio::awaitable<void> Auctioneer::stop() { return impl_->stop(); }
bool Auctioneer::is_active() const { return impl_->is_active(); }
std::string Auctioneer::address() const { return impl_->address(); }

}  // namespace rivera::auctioneer
