#include "executor/executor.h"

#include <set>

#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "executor/container/errors.h"
#include "executor/garden/retry.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;

CachedDownloaderOptions with_tls(CachedDownloaderOptions options, const net::TlsContext& tls) {
  options.downloader.tls = tls;
  return options;
}

// A guid is also a file name: it has no separators and is not hidden.
bool is_usable_guid(const std::string& guid) { return guid.find('/') == std::string::npos && !guid.starts_with('.'); }

}  // namespace

Executor::Executor(asio::any_io_executor executor, base::WorkerPool& workers, ContainerBackend& backend,
                   AppLogSink& log_sink, const base::Clock& clock, base::Metrics& metrics, ExecutorOptions options,
                   base::Logger logger)
    : executor_(executor),
      workers_(workers),
      backend_(backend),
      clock_(clock),
      options_(std::move(options)),
      logger_(logger.session("executor")),
      store_(executor, workers, options_.state_directory / "containers", logger_),
      creations_(executor, options_.create_slots),
      destructions_(executor, options_.delete_slots),
      downloads_(executor, options_.download_slots),
      uploads_(executor, options_.upload_slots),
      checks_(executor, options_.healthcheck_slots),
      loops_(executor, logger_) {
  fs::remove_all(options_.work_directory);
  fs::create_directories(options_.work_directory);
  const auto tls = asset_tls_context(options_.asset_tls, options_.work_directory);
  downloader_ = std::make_unique<CachedDownloader>(executor, workers, clock, with_tls(options_.cache, tls), logger_);
  uploader_ = std::make_unique<Uploader>(
      executor, workers, UploaderOptions{.tls = tls, .temporary_directory = options_.work_directory / "uploads"});
  if (options_.identity.is_enabled()) {
    identity_ = std::make_unique<IdentityIssuer>(executor, workers, clock, metrics, options_.identity, logger_);
  }
  services_ = std::make_unique<NodeServices>(NodeServices{
      .runtime = {.executor = executor, .workers = workers, .clock = clock},
      .backend = backend,
      .store = store_,
      .transfers =
          {.downloader = *downloader_, .uploader = *uploader_, .download_slots = downloads_, .upload_slots = uploads_},
      .limits = {.creations = creations_, .destructions = destructions_, .checks = checks_},
      .reporting = {.log_sink = log_sink,
                    .metrics = metrics,
                    .on_event =
                        [this](ContainerEvent event) {
                          if (listener_) listener_(std::move(event));
                        }},
      .rootfs_sizes = rootfs_sizes_,
      .identity = identity_.get()});
}

Executor::~Executor() = default;

// --- start and end ---

asio::awaitable<void> Executor::start() {
  const auto found = co_await ask_garden();
  const auto& capacity = found.capacity;
  ledger_.set_total(total_resources(options_.capacity, {.memory_in_bytes = capacity.memory_in_bytes,
                                                        .disk_in_bytes = capacity.disk_in_bytes,
                                                        .schedulable_disk_in_bytes = capacity.schedulable_disk_in_bytes,
                                                        .max_containers = capacity.max_containers}));
  co_await recover(found);
  co_await measure_stacks();
  if (identity_) identity_->keys().start();
  loops_.spawn_critical("prune-reservations", prune_loop());
  loops_.spawn_critical("reap-containers", reap_loop());
}

// Repeats the questions until Garden has answered all of them.
asio::awaitable<Executor::GardenContent> Executor::ask_garden() {
  const auto& owner = options_.node.spec.owner;
  const garden::PropertyFilter every{{kOwnerProperty, owner}, {"garden.state", "all"}};
  const garden::PropertyFilter complete{{kOwnerProperty, owner}};
  for (;;) {
    co_await wait_for_garden();
    try {
      GardenContent content;
      content.capacity = co_await backend_.capacity();
      content.all_handles = co_await backend_.containers(every);
      content.complete_handles = co_await backend_.containers(complete);
      co_return content;
    } catch (const std::exception& e) {
      if (!is_no_answer(e)) throw;
    }
  }
}

asio::awaitable<void> Executor::wait_for_garden() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  bool logged = false;
  for (;;) {
    std::string why;
    try {
      co_await backend_.ping();
      co_return;
    } catch (const garden::UnrecoverableError&) {
      throw;
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      why = e.what();
    }
    if (!std::exchange(logged, true)) logger_.info("waiting-for-garden", {{"error", why}});
    co_await base::sleep_for(options_.ping_interval);
  }
}

asio::awaitable<void> Executor::recover(const GardenContent& found) {
  auto stored = co_await store_.load();
  if (!options_.readopt_containers) {
    for (const auto& container : stored) co_await store_.forget(container.record.container.guid);
    stored.clear();
  }
  std::vector<std::string> mounted;
  std::set<std::string> claimed;
  for (const auto& container : stored) {
    claimed.insert(container.record.container.guid);
    const auto& directories = container.record.cached_directories;
    mounted.insert(mounted.end(), directories.begin(), directories.end());
  }
  co_await downloader_->recover(std::move(mounted));

  const std::set<std::string> exists(found.complete_handles.begin(), found.complete_handles.end());
  for (auto& container : stored) {
    const auto guid = container.record.container.guid;
    logger_.info("readopting-container", {{"guid", guid}, {"state", name_of(container.record.container.state)}});
    ledger_.adopt(guid, container.record.container.resource);
    auto adopted = std::make_shared<ContainerNode>(*services_, options_.node, container.record.container, logger_);
    nodes_.emplace(guid, adopted);
    adopted->adopt(std::move(container), exists.contains(guid));
  }

  std::vector<std::string> unclaimed;
  for (const auto& handle : found.all_handles) {
    if (!claimed.contains(handle)) unclaimed.push_back(handle);
  }
  if (options_.readopt_containers) {
    // Running containers need not wait for this.
    loops_.spawn("destroy-unclaimed", destroy_unclaimed(std::move(unclaimed)));
  } else {
    co_await destroy_unclaimed(std::move(unclaimed));
  }
}

asio::awaitable<void> Executor::destroy_unclaimed(std::vector<std::string> handles) {
  base::TaskGroup destructions(executor_, logger_);
  for (auto& handle : handles) destructions.spawn("destroy-unclaimed", destroy_and_log(std::move(handle)));
  co_await destructions.join();
}

asio::awaitable<void> Executor::destroy_and_log(std::string handle) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const auto slot = co_await destructions_.acquire();
  try {
    logger_.info("destroying-unclaimed-container", {{"handle", handle}});
    co_await backend_.destroy(handle);
  } catch (const garden::ContainerNotFoundError&) {
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    logger_.error("failed-to-destroy-unclaimed-container", {{"handle", handle}, {"error", e.what()}});
    co_return;
  }
  if (!identity_ || !is_usable_guid(handle)) co_return;
  auto remove = [identity = options_.identity.directory / handle,
                 proxy = options_.node.proxy.config_directory / handle] {
    std::error_code ec;
    fs::remove_all(identity, ec);
    fs::remove_all(proxy, ec);
  };
  co_await workers_.run(std::move(remove));
}

asio::awaitable<void> Executor::detach() {
  co_await loops_.stop();
  for (const auto& [guid, each] : nodes_) co_await each->detach();
  if (identity_) co_await identity_->keys().stop();
}

// --- requests ---

std::vector<AllocationFailure> Executor::allocate(std::vector<AllocationRequest> requests) {
  std::vector<AllocationFailure> failures;
  for (auto& request : requests) {
    const auto fail = [&](const char* reason) { failures.push_back({.guid = request.guid, .reason = reason}); };
    if (request.guid.empty()) {
      fail(kGuidNotSpecified);
    } else if (nodes_.contains(request.guid) || !is_usable_guid(request.guid)) {
      fail(kGuidNotAvailable);
    } else if (!ledger_.reserve(request.guid, request.resource)) {
      fail(kInsufficientResources);
    } else {
      Container container;
      container.guid = request.guid;
      container.resource = request.resource;
      container.tags = std::move(request.tags);
      container.run_info.rootfs = std::move(request.rootfs);
      container.allocated_at = base::to_unix_nanos(clock_.now());
      nodes_.emplace(request.guid,
                     std::make_shared<ContainerNode>(*services_, options_.node, std::move(container), logger_));
      services_->reporting.on_event({.kind = EventKind::kReserved, .guid = request.guid});
    }
  }
  return failures;
}

void Executor::visit(const std::function<void(const Container&)>& visitor) const {
  for (const auto& [guid, each] : nodes_) visitor(each->container());
}

std::optional<Container> Executor::get(const std::string& guid) const {
  const auto found = nodes_.find(guid);
  if (found == nodes_.end()) return std::nullopt;
  return found->second->container();
}

std::shared_ptr<ContainerNode> Executor::node(const std::string& guid) const {
  const auto found = nodes_.find(guid);
  if (found == nodes_.end()) throw ContainerNotFound();
  return found->second;
}

void Executor::run(RunRequest request) {
  const auto each = node(request.guid);
  each->start(std::move(request));
}

void Executor::stop(const std::string& guid) { node(guid)->stop(); }

void Executor::update(const std::string& guid, const ContainerUpdate& update) { node(guid)->update(update); }

void Executor::write_log_line(const std::string& guid, const std::string& line) { node(guid)->write_line(line); }

asio::awaitable<void> Executor::destroy(std::string guid) {
  const auto each = node(guid);
  co_await each->destroy();
  const auto found = nodes_.find(guid);
  if (found == nodes_.end() || found->second != each) co_return;
  nodes_.erase(found);
  ledger_.release(guid);
}

asio::awaitable<std::string> Executor::read_file(std::string guid, std::string path, std::size_t limit) {
  const auto each = node(guid);
  co_return co_await each->read_file(std::move(path), limit);
}

}  // namespace rivera::executor
