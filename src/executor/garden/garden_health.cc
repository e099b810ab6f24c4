#include "executor/garden/garden_health.h"

#include <fmt/format.h>

#include "base/ids.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "executor/container/container_spec.h"

namespace rivera::executor {
namespace {

constexpr const char* kTagProperty = "tag:healthcheck-tag";
constexpr const char* kTagValue = "healthcheck";
constexpr int kAttempts = 3;

// Calls `start` up to three times. The caller keeps `start` alive until this returns.
template <typename T, typename Start>
asio::awaitable<T> attempted(const Start& start, std::chrono::nanoseconds pause) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (int attempt = 1;; ++attempt) {
    std::exception_ptr failure;
    try {
      co_return co_await start();
    } catch (const garden::ContainerNotFoundError&) {
      throw;
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      failure = std::current_exception();
    }
    if (attempt == kAttempts) std::rethrow_exception(failure);
    co_await base::sleep_for(pause);
  }
}

}  // namespace

GardenHealth::GardenHealth(ContainerBackend& backend, GardenHealthOptions options, base::Metrics& metrics,
                           base::Logger logger)
    : backend_(backend), options_(std::move(options)), metrics_(metrics), logger_(logger.session("garden-health")) {}

asio::awaitable<void> GardenHealth::run() {
  for (;;) {
    const auto failure = co_await failure_of_cycle();
    set_healthy(failure.empty(), failure);
    co_await base::sleep_for(healthy_ ? options_.interval : options_.unhealthy_interval);
  }
}

asio::awaitable<std::string> GardenHealth::failure_of_cycle() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  try {
    auto cycle = check();
    co_await base::within(options_.timeout, "garden healthcheck", std::move(cycle));
    co_return "";
  } catch (const base::DeadlineExceeded&) {
    metrics_.set("CellUnhealthy", 1);
    co_return "garden healthcheck timed out";
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    co_return e.what();
  }
}

asio::awaitable<void> GardenHealth::check() {
  co_await destroy_old_containers();
  garden::ContainerSpec spec;
  spec.handle = "check-" + base::new_guid();
  spec.image.uri = options_.rootfs;
  spec.properties = {{kOwnerProperty, options_.owner}, {kTagProperty, kTagValue}, {"network.healthcheck", "true"}};
  const auto create = [&] { return backend_.create(spec); };
  co_await attempted<void>(create, options_.retry_pause);
  int status = 0;
  std::exception_ptr failure;
  try {
    status = co_await run_process(spec.handle);
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = std::current_exception();
  }
  co_await destroy(spec.handle);
  if (failure) std::rethrow_exception(failure);
  if (status != 0) throw std::runtime_error(fmt::format("Healthcheck exited with {}", status));
}

asio::awaitable<void> GardenHealth::destroy_old_containers() {
  const garden::PropertyFilter tagged{{kTagProperty, kTagValue}};
  const auto list = [&] { return backend_.containers(tagged); };
  const auto handles = co_await attempted<std::vector<std::string>>(list, options_.retry_pause);
  for (const auto& handle : handles) co_await destroy(handle);
}

asio::awaitable<void> GardenHealth::destroy(std::string handle) {
  try {
    const auto call = [&] { return backend_.destroy(handle); };
    co_await attempted<void>(call, options_.retry_pause);
  } catch (const garden::ContainerNotFoundError&) {
    // It does not exist, which is the aim.
  }
}

asio::awaitable<int> GardenHealth::run_process(std::string handle) {
  garden::ProcessSpec process;
  process.path = options_.process_path;
  process.args = options_.process_args;
  process.user = options_.process_user;
  process.env = options_.process_env;
  process.dir = options_.process_dir;
  using Running = std::unique_ptr<clients::GardenProcess>;
  const auto run = [&]() -> asio::awaitable<Running> {
    clients::ProcessIO no_output;
    return backend_.run(handle, process, no_output);
  };
  const auto running = co_await attempted<Running>(run, options_.retry_pause);
  // Waiting is not repeated: that would need another process.
  co_return co_await running->wait();
}

void GardenHealth::set_healthy(bool healthy, const std::string& reason) {
  metrics_.set("GardenHealthCheckFailed", healthy ? 0 : 1);
  if (healthy) metrics_.set("CellUnhealthy", 0);
  if (healthy != healthy_) {
    if (healthy) {
      logger_.info("passed-health-check");
    } else {
      logger_.error("failed-health-check", {{"error", reason}});
    }
  }
  healthy_ = healthy;
}

}  // namespace rivera::executor
