#include "executor/container_node.h"

#include <fmt/format.h>

#include "base/work/cancellation.h"
#include "executor/assets/archive.h"
#include "executor/container/errors.h"
#include "executor/garden/retry.h"
#include "executor/steps/step_builder.h"

namespace rivera::executor {
namespace {

constexpr const char* kDetachedMessage = "the container is no longer managed by this process";

}  // namespace

ContainerNode::ContainerNode(NodeServices& services, const NodeOptions& options, Container container,
                             base::Logger logger)
    : services_(services),
      options_(options),
      container_(std::move(container)),
      logger_(std::move(logger)),
      life_(services.runtime.executor, logger_),
      tasks_(services.runtime.executor, logger_),
      background_(services.runtime.executor, logger_),
      changed_(services.runtime.executor) {}

ContainerNode::~ContainerNode() = default;

// --- requests ---

void ContainerNode::start(RunRequest request) {
  if (container_.state != ContainerState::kReserved) throw InvalidStateTransition();
  container_.run_info = std::move(request.run_info);
  for (auto& [name, value] : request.tags) container_.tags[name] = std::move(value);
  container_.state = ContainerState::kInitializing;
  make_credentials();
  journal_ = std::make_unique<StepJournal>(&services_.store, container_.guid, std::vector<JournalEntry>{}, logger_);
  start_life();
}

void ContainerNode::adopt(StoredContainer stored, bool exists) {
  container_ = std::move(stored.record.container);
  cached_directories_ = std::move(stored.record.cached_directories);
  make_credentials();
  journal_ = std::make_unique<StepJournal>(&services_.store, container_.guid, std::move(stored.journal), logger_);
  switch (container_.state) {
    case ContainerState::kReserved:
    case ContainerState::kInitializing:
      container_.state = ContainerState::kInitializing;
      origin_ = Origin::kResumed;
      start_life();
      break;
    case ContainerState::kCreated:
    case ContainerState::kRunning:
      origin_ = container_.state == ContainerState::kRunning ? Origin::kResumedRunning : Origin::kResumed;
      is_ready_for_traffic_ = container_.routable;
      start_life();
      if (!exists) complete_as_lost();
      break;
    case ContainerState::kCompleted:
      break;
  }
}

void ContainerNode::make_credentials() {
  if (!services_.identity) return;
  credentials_ = std::make_unique<CredentialKeeper>(*services_.identity, options_.proxy, container_,
                                                    services_.runtime.executor, services_.runtime.workers, logger_);
}

void ContainerNode::start_life() {
  const auto on_limit = [&metrics = services_.reporting.metrics] {
    metrics.increment("AppInstanceExceededLogRateLimitCount");
  };
  log_ = std::make_unique<AppLog>(container_.run_info.log_config,
                                  AppLogLimits{.bytes_per_second = container_.run_info.log_rate_limit_bytes_per_second,
                                               .lines_per_second = options_.max_log_lines_per_second},
                                  services_.reporting.log_sink, services_.runtime.clock, on_limit);
  life_.spawn_critical("container-life", live());
}

void ContainerNode::stop() {
  const bool first = !std::exchange(container_.run_result.stopped, true);
  if (container_.state == ContainerState::kCompleted) return;
  if (steps_) {
    if (!first) return;
    write_line(fmt::format("Cell {} stopping instance {}", options_.cell_id, container_.guid));
    save_soon();
    if (credentials_ && is_proxied(container_.run_info, options_.proxy)) {
      tasks_.spawn("stop", end_steps());
    } else {
      steps_->interrupt();
    }
    return;
  }
  creation_.raise();
  complete({.failed = true, .failure_reason = "stopped-before-running", .stopped = true});
}

// Routers learn from the proxy that the instance ends before its processes do.
asio::awaitable<void> ContainerNode::end_steps() {
  co_await credentials_->take_name_away();
  if (steps_) steps_->interrupt();
}

void ContainerNode::complete_failed(std::string reason) {
  if (container_.state == ContainerState::kCompleted) return;
  if (steps_) steps_->interrupt();
  creation_.raise();
  complete({.failed = true, .failure_reason = std::move(reason)});
}

void ContainerNode::complete_as_lost() {
  creation_.raise();
  complete({.failed = true, .failure_reason = "missing garden container", .lost = true});
}

void ContainerNode::update(const ContainerUpdate& update) {
  auto& info = container_.run_info;
  if (update.internal_routes) {
    info.internal_routes = *update.internal_routes;
    if (credentials_) credentials_->routes_changed();
  }
  if (update.metric_tags) {
    info.metrics_config.tags = *update.metric_tags;
    for (const auto& [name, value] : *update.metric_tags) info.log_config.tags[name] = value;
    if (log_) log_->merge_tags(*update.metric_tags);
    if (container_.state == ContainerState::kCreated || container_.state == ContainerState::kRunning) {
      background_.spawn("update-log-config", services_.backend.set_property(container_.guid, kLogConfigProperty,
                                                                            log_config_property(info.log_config)));
    }
  }
  if (container_.state != ContainerState::kReserved) save_soon();
}

asio::awaitable<std::string> ContainerNode::read_file(std::string path, std::size_t limit) {
  const auto stream = co_await services_.backend.stream_out(container_.guid, "root", std::move(path));
  FirstTarEntry entry;
  std::string content;
  while (!entry.complete()) {
    const auto piece = co_await stream->read();
    if (piece.empty()) break;
    content += entry.feed(piece);
    if (content.size() > limit) throw std::length_error(fmt::format("the file is larger than {} bytes", limit));
  }
  if (!entry.complete()) throw std::runtime_error("the stream from the container holds no file");
  co_return storable_text(content);
}

// --- life ---

asio::awaitable<void> ContainerNode::live() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  RunResult failure{.failed = true};
  try {
    if (container_.state == ContainerState::kInitializing) {
      co_await save();
      auto waiting = services_.limits.creations.acquire();
      const auto slot = co_await creation_.guard(std::move(waiting));
      co_await create_container();
    }
    if (container_.state != ContainerState::kCompleted) co_await run_steps();
  } catch (const Interrupted&) {
    // stop() or complete_failed() has completed the container.
  } catch (const CreationFailed& e) {
    failure.failure_reason = e.what();
    failure.retryable = true;
    services_.reporting.metrics.set("ContainerSetupFailedDuration",
                                    static_cast<double>((services_.runtime.clock.now() - creation_begun_at_).count()));
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    failure.failure_reason = e.what();
  }
  steps_.reset();
  if (container_.state != ContainerState::kCompleted) complete(std::move(failure));
}

// The certificates are there before the first process starts, and are renewed as long as there is one.
asio::awaitable<void> ContainerNode::begin_credentials() {
  if (!credentials_) co_return;
  std::string failure;
  try {
    auto beginning = credentials_->begin();
    co_await creation_.guard(std::move(beginning));
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = e.what();
  }
  if (!failure.empty()) throw ExecutorError("cred-manager-runner exited: " + failure);
  tasks_.spawn("keep-credentials", credentials_->keep());
}

StepContainer ContainerNode::step_container() const {
  StepContainer out{.handle = container_.guid,
                    .origin = origin_,
                    .network_environment = network_environment(container_),
                    .mounts = fixed_mounts(),
                    .was_routable = container_.routable,
                    .creation_begun_at = creation_begun_at_,
                    .disk_limit = disk_limit()};
  if (is_proxied(container_.run_info, options_.proxy)) {
    out.proxy = &options_.proxy;
    for (const auto& port : container_.ports) out.proxy_ports.push_back(port.container_tls_proxy_port);
  }
  return out;
}

asio::awaitable<void> ContainerNode::run_steps() {
  co_await begin_credentials();
  environment_ = std::make_unique<StepEnvironment>(StepEnvironment{
      .container = step_container(),
      .settings = options_.steps,
      .runtime = services_.runtime,
      .backend = services_.backend,
      .transfers = services_.transfers,
      .check_slots = services_.limits.checks,
      .tasks = tasks_,
      .journal = *journal_,
      .reporting = {.app_log = *log_, .metrics = services_.reporting.metrics, .logger = logger_},
  });
  steps_ = build_steps(*environment_, container_.run_info, [this](bool routable) { set_routable(routable); });
  steps_->on_ready([this] { mark_running(); });
  if (container_.run_result.stopped) background_.spawn("stop-resumed", interrupt_when_ready());
  const auto result = co_await steps_->run();
  complete_with(result);
  // Coroutines that the steps started still refer to them.
  co_await tasks_.stop();
}

// Continues a stop that a restart interrupted. The steps have to attach to their processes before they can signal them.
asio::awaitable<void> ContainerNode::interrupt_when_ready() {
  constexpr auto kPatience = std::chrono::seconds(5);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (steps_ && !steps_->is_ready() && std::chrono::steady_clock::now() < deadline) {
    co_await base::sleep_for(std::chrono::milliseconds(100));
  }
  if (steps_) steps_->interrupt();
}

void ContainerNode::mark_running() {
  if (container_.state == ContainerState::kCompleted) return;
  if (container_.state != ContainerState::kRunning) {
    container_.state = ContainerState::kRunning;
    container_.routable = !has_readiness_checks(container_.run_info) || is_ready_for_traffic_;
    save_soon();
  }
  emit(EventKind::kRunning);
}

void ContainerNode::set_routable(bool routable) {
  is_ready_for_traffic_ = routable;
  if (container_.state != ContainerState::kRunning || container_.routable == routable) return;
  container_.routable = routable;
  save_soon();
  emit(EventKind::kRunning);
}

void ContainerNode::complete_with(const StepResult& result) {
  complete({.failed = !result.ok() && !result.text.empty(),
            .failure_reason = result.ok() ? std::string() : result.text,
            .lost = !result.ok() && environment_->platform.process_lost});
  services_.reporting.metrics.increment("ContainerCompletedCount");
}

void ContainerNode::complete(RunResult result) {
  if (container_.state == ContainerState::kCompleted) return;
  const bool was_reserved = container_.state == ContainerState::kReserved;
  result.stopped = result.stopped || container_.run_result.stopped;
  result.failure_reason = storable_text(truncated_failure_reason(std::move(result.failure_reason)));
  container_.state = ContainerState::kCompleted;
  container_.routable = false;
  container_.run_result = std::move(result);
  logger_.info("container-completed", {{"guid", container_.guid},
                                       {"failed", container_.run_result.failed},
                                       {"reason", container_.run_result.failure_reason},
                                       {"stopped", container_.run_result.stopped},
                                       {"lost", container_.run_result.lost}});
  if (!was_reserved) save_soon();
  emit(EventKind::kComplete);
  changed_.notify_all();
}

void ContainerNode::emit(EventKind kind) { services_.reporting.on_event({.kind = kind, .guid = container_.guid}); }

void ContainerNode::write_line(const std::string& text, bool is_error) {
  if (log_) log_->write_line(text, is_error);
}

ContainerRecord ContainerNode::record() const {
  return {.container = container_, .cached_directories = cached_directories_};
}

asio::awaitable<void> ContainerNode::save() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (phase_ != Phase::kActive) co_return;
  try {
    std::function<ContainerRecord()> current = [this] { return record(); };
    co_await services_.store.save(container_.guid, std::move(current));
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    logger_.error("failed-to-save-container", {{"guid", container_.guid}, {"error", e.what()}});
  }
}

void ContainerNode::save_soon() { background_.spawn("save-container", save()); }

// --- the end ---

asio::awaitable<void> ContainerNode::destroy() {
  while (phase_ == Phase::kDestroying) co_await changed_.wait();
  if (phase_ == Phase::kDestroyed) co_return;
  if (phase_ == Phase::kDetached) throw ExecutorError(kDetachedMessage);
  phase_ = Phase::kDestroying;
  std::exception_ptr failure;
  try {
    co_await destroy_once();
  } catch (...) {
    failure = std::current_exception();
  }
  if (phase_ == Phase::kDestroying) phase_ = failure ? Phase::kActive : Phase::kDestroyed;
  changed_.notify_all();
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> ContainerNode::destroy_once() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  stop();
  co_await life_.join();
  co_await tasks_.stop();
  if (phase_ == Phase::kDetached) throw ExecutorError(kDetachedMessage);
  const auto slot = co_await services_.limits.destructions.acquire();
  write_line(fmt::format("Cell {} destroying container for instance {}", options_.cell_id, container_.guid));
  std::string failure;
  try {
    co_await destroy_in_garden();
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    failure = e.what();
  }
  if (!failure.empty()) {
    write_line(fmt::format("Cell {} failed to destroy container for instance {}", options_.cell_id, container_.guid));
    logger_.error("failed-to-destroy-container", {{"guid", container_.guid}, {"error", failure}});
    throw ExecutorError(failure);
  }
  write_line(
      fmt::format("Cell {} successfully destroyed container for instance {}", options_.cell_id, container_.guid));
  for (const auto& directory : cached_directories_)
    co_await services_.transfers.downloader.release_directory(directory);
  cached_directories_.clear();
  if (!container_.run_info.volume_mounted_files.empty() && !options_.volume_mounted_files_path.empty()) {
    auto remove = [path = mounted_files_directory()] { std::filesystem::remove_all(path); };
    co_await services_.runtime.workers.run(std::move(remove));
  }
  if (credentials_) co_await credentials_->remove();
  co_await background_.join();
  co_await services_.store.forget(container_.guid);
}

asio::awaitable<void> ContainerNode::detach() {
  if (phase_ != Phase::kDestroyed) phase_ = Phase::kDetached;
  co_await life_.stop();
  co_await background_.stop();
  co_await tasks_.stop();
}

}  // namespace rivera::executor
