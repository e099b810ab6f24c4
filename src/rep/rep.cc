#include "rep/rep.h"

#include <algorithm>

#include "base/clock.h"
#include "base/files.h"
#include "base/ids.h"
#include "base/metrics/metrics.h"
#include "base/work/cancellation.h"
#include "base/work/task_group.h"
#include "clients/bbs_client.h"
#include "clients/garden/garden_client.h"
#include "clients/locket/locket_client.h"
#include "clients/locket/presence_keeper.h"
#include "executor/container_metrics.h"
#include "executor/garden/garden_backend.h"
#include "executor/logs/file_log_sink.h"
#include "models/nouns/role.h"
#include "net/crypto/certificate_authority.h"
#include "net/http/debug_server.h"
#include "net/http/http_server.h"
#include "rep/cell_service.h"
#include "rep/operations/bulk_loop.h"
#include "rep/operations/evacuation.h"
#include "rep/reports/cell_report.h"
#include "rep/reports/metrics_report.h"

namespace rivera::rep {
namespace {

constexpr auto kServerGrace = std::chrono::seconds(2);

// Clients on this machine connect to 127.0.0.1, which the certificate has to name.
void check_certificate(const net::TlsFiles& files) {
  const auto names = net::certificate_names(base::read_file(files.certificate_file));
  if (std::find(names.begin(), names.end(), "127.0.0.1") == names.end()) {
    throw std::runtime_error(
        "tls-configuration-failed: invalid SAN metadata. certificate needs to contain 127.0.0.1 for IP SAN metadata.");
  }
}

// The owner is the same after a restart, so that the presence is taken over at once and never expires.
std::string presence_owner(const std::filesystem::path& state_directory) {
  std::filesystem::create_directories(state_directory);
  const auto path = state_directory / "presence-owner";
  if (std::filesystem::exists(path)) {
    auto owner = base::read_file(path);
    if (!owner.empty()) return owner;
  }
  auto owner = base::new_guid();
  base::write_file_atomically(path, owner, 0600, true);
  return owner;
}

// Our own proxy goes where containers can mount it, unless the operator has put one there. Envoy is there already.
void place_proxy(const executor::ProxyOptions& proxy) {
  if (!proxy.enabled || proxy.is_envoy) return;
  const auto target = std::filesystem::path(proxy.program_directory) / "proxy";
  const auto own = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "container-proxy";
  if (!std::filesystem::exists(own)) {
    if (std::filesystem::exists(target)) return;
    throw std::runtime_error("there is neither Envoy nor a proxy in " + proxy.program_directory);
  }
  std::filesystem::create_directories(proxy.program_directory);
  base::write_file_atomically(target, base::read_file(own), 0755);
}

std::unique_ptr<executor::AppLogSink> log_sink(base::Program& program, const Config& config) {
  if (config.app_log_directory.empty()) return std::make_unique<executor::NoLogSink>();
  executor::FileLogOptions options;
  options.directory = config.app_log_directory;
  return std::make_unique<executor::FileLogSink>(program.executor(), program.workers(), std::move(options),
                                                 program.logger());
}

clients::BbsClientOptions bbs_options(const Config& config) {
  clients::BbsClientOptions options;
  options.url = config.bbs_address;
  options.tls = config.tls;
  options.request_timeout = config.communication_timeout;
  return options;
}

net::HttpServerOptions server_options(const std::string& address, const Config& config, const base::Logger& logger) {
  net::HttpServerOptions options;
  options.address = address;
  options.tls = net::TlsContext::mutual_server(config.tls);
  options.access = net::AccessControl(config.authorization, models::role_bits, logger);
  options.limits = config.client_limits;
  return options;
}

}  // namespace

class Rep::Impl {
 public:
  Impl(base::Program& program, Config config)
      : program_(program),
        config_(std::move(config)),
        logger_(program.logger()),
        metrics_("rep"),
        log_sink_(log_sink(program, config_)),
        garden_(program.executor(), {.address = config_.garden_address}),
        backend_(garden_),
        executor_(program.executor(), program.workers(), backend_, *log_sink_, clock_, metrics_, config_.executor,
                  logger_),
        bbs_(program.executor(), bbs_options(config_)),
        locket_(program.executor(), config_.locket),
        queue_(program.executor(), {}, logger_),
        operations_(config_, executor_, bbs_, evacuation_, logger_),
        bulk_(program.executor(), config_,
              {.executor = executor_,
               .bbs = bbs_,
               .queue = queue_,
               .operations = operations_,
               .evacuation = evacuation_,
               .metrics = metrics_},
              logger_),
        evacuator_(program.executor(), config_, executor_, evacuation_, logger_),
        container_metrics_(backend_, executor_, metrics_, config_.executor.node.cell_id, logger_),
        garden_health_(backend_, config_.garden_health, metrics_, logger_),
        tasks_(program.executor(), logger_),
        service_(
            config_,
            {.executor = executor_,
             .evacuation = evacuation_,
             .background = tasks_,
             .metrics = metrics_,
             .container_metrics = [this] { return metrics_collection(config_.cell_id, executor_, container_metrics_); },
             .is_healthy = [this] { return garden_health_.healthy(); }},
            logger_) {
    check_certificate(config_.tls);
    const auto& proxy = config_.executor.node.proxy;
    place_proxy(proxy);
    if (proxy.enabled && !config_.executor.identity.is_enabled()) {
      logger_.error(
          "container-proxy-without-identity",
          {{"error", "the proxy of a container needs instance_identity_cred_dir: containers with ports crash"}});
    }
  }

  asio::awaitable<void> run() {
    tasks_.spawn_critical("start", start());
    co_await program_.stop_requested();
    co_await stop();
  }

 private:
  // Starts all parts. A failure ends the process.
  asio::awaitable<void> start() {
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    std::string failure;
    try {
      co_await bring_up();
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      failure = e.what();
    }
    if (failure.empty()) co_return;
    logger_.fatal("failed-to-start", {{"error", failure}});
    program_.request_stop(1);
  }

  asio::awaitable<void> bring_up() {
    debug_ = std::make_unique<net::DebugServer>(program_.executor(), config_.debug_address, metrics_, logger_,
                                                config_.client_limits);
    executor_.on_event([this](executor::ContainerEvent event) { queue_reconcile(event.guid); });
    co_await executor_.start();
    const auto value = presence_json(config_, executor_.total(), local_address());
    presence_ = std::make_unique<clients::PresenceKeeper>(
        program_.executor(), locket_,
        clients::PresenceKeeperOptions{.key = config_.cell_id,
                                       .owner = presence_owner(config_.executor.state_directory),
                                       .value = value,
                                       .ttl = config_.lock_ttl},
        logger_);
    presence_->start();
    co_await presence_->established();

    add_admin_routes(admin_router_, [this] { evacuator_.begin(); });
    service_.add_routes(network_router_);
    admin_ = std::make_unique<net::HttpServer>(
        program_.executor(), server_options(config_.listen_addr, config_, logger_), admin_router_.handler(), logger_);
    network_ = std::make_unique<net::HttpServer>(program_.executor(),
                                                 server_options(config_.listen_addr_securable, config_, logger_),
                                                 network_router_.handler(), logger_);
    admin_->listen();
    network_->listen();
    admin_->start();
    network_->start();

    evacuator_.on_begin([this] { bulk_.wake(); });
    tasks_.spawn_critical("bulker", bulk_.run());
    tasks_.spawn_critical("evacuator", evacuate());
    tasks_.spawn_critical("garden-health", garden_health_.run());
    tasks_.spawn("container-metrics", container_metrics_.run(config_.container_metrics_interval));
    tasks_.spawn("capacity-metrics", report_capacity(executor_, metrics_, config_.zone));
    logger_.info("started", {{"cell-id", config_.cell_id}});
  }

  void queue_reconcile(const std::string& guid) {
    queue_.push(guid, [this, guid] { return operations_.reconcile(guid); });
  }

  asio::awaitable<void> evacuate() {
    co_await evacuator_.run();
    program_.request_stop(0);
  }

  asio::awaitable<void> stop() {
    co_await tasks_.stop();
    co_await queue_.stop();
    const bool ends = evacuation_.evacuating || !config_.executor.readopt_containers;
    if (ends) co_await clean_up();
    if (network_) co_await network_->stop(kServerGrace);
    if (admin_) co_await admin_->stop(kServerGrace);
    if (presence_ && ends) co_await presence_->release();
    presence_.reset();
    co_await executor_.detach();
    if (debug_) co_await debug_->stop();
    if (auto* files = dynamic_cast<executor::FileLogSink*>(log_sink_.get())) co_await files->flush();
    if (!cleanup_failure_.empty()) throw std::runtime_error(cleanup_failure_);
    logger_.info("exited");
  }

  asio::awaitable<void> clean_up() {
    try {
      co_await destroy_all_containers(config_, executor_, bbs_, metrics_, logger_);
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      cleanup_failure_ = e.what();
    }
  }

  base::Program& program_;
  Config config_;
  base::Logger logger_;
  base::SystemClock clock_;
  base::Metrics metrics_;
  std::unique_ptr<executor::AppLogSink> log_sink_;
  clients::GardenClient garden_;
  executor::GardenBackend backend_;
  executor::Executor executor_;
  clients::BbsClient bbs_;
  clients::LocketClient locket_;
  EvacuationState evacuation_;
  OperationQueue queue_;
  ContainerOperations operations_;
  BulkLoop bulk_;
  Evacuator evacuator_;
  executor::ContainerMetricsReporter container_metrics_;
  executor::GardenHealth garden_health_;
  base::TaskGroup tasks_;
  CellService service_;
  net::HttpRouter admin_router_;
  net::HttpRouter network_router_;
  std::unique_ptr<net::DebugServer> debug_;
  std::unique_ptr<clients::PresenceKeeper> presence_;
  std::unique_ptr<net::HttpServer> admin_;
  std::unique_ptr<net::HttpServer> network_;
  std::string cleanup_failure_;
};

Rep::Rep(base::Program& program, Config config) : impl_(std::make_unique<Impl>(program, std::move(config))) {}
Rep::~Rep() = default;
asio::awaitable<void> Rep::run() { return impl_->run(); }

}  // namespace rivera::rep
