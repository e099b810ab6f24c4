#include "executor/steps/health_check_step.h"

#include <fmt/format.h>

#include "base/duration.h"
#include "base/work/cancellation.h"

namespace rivera::executor {
namespace {

constexpr std::chrono::nanoseconds kFirstPause = std::chrono::milliseconds(250);
constexpr std::chrono::nanoseconds kLongestPause = std::chrono::seconds(30);

std::string rounded(std::chrono::nanoseconds elapsed) {
  return base::format_go_duration(std::chrono::round<std::chrono::milliseconds>(elapsed));
}

}  // namespace

// --- until it succeeds ---

EventuallySucceedsStep::EventuallySucceedsStep(StepEnvironment& environment, CheckFactory make_check,
                                               std::chrono::nanoseconds interval,
                                               std::chrono::nanoseconds give_up_after)
    : env_(environment),
      make_check_(std::move(make_check)),
      interval_(interval),
      give_up_after_(give_up_after),
      changed_(environment.runtime.executor) {}

asio::awaitable<StepResult> EventuallySucceedsStep::run() {
  become_ready();
  const auto begun_at = std::chrono::steady_clock::now();
  auto pause = std::min(interval_, kFirstPause);
  while (!interrupted_) {
    const auto outages = env_.platform.outages;
    check_ = make_check_();
    auto result = co_await check_->run();
    if (result.ok() || interrupted_) co_return result;
    const bool is_late = give_up_after_.count() > 0 && std::chrono::steady_clock::now() - begun_at > give_up_after_;
    if (is_late && env_.platform.outages == outages) co_return result;
    co_await changed_.wait_for(pause);
    pause = std::min(interval_, pause * 2);
  }
  co_return StepResult::cancelled();
}

void EventuallySucceedsStep::interrupt() {
  interrupted_ = true;
  if (check_) check_->interrupt();
  changed_.notify_all();
}

// --- until it fails ---

ConsistentlySucceedsStep::ConsistentlySucceedsStep(StepEnvironment& environment, CheckFactory make_check,
                                                   std::chrono::nanoseconds interval)
    : env_(environment),
      make_check_(std::move(make_check)),
      interval_(interval),
      changed_(environment.runtime.executor) {}

asio::awaitable<StepResult> ConsistentlySucceedsStep::run() {
  become_ready();
  while (!interrupted_) {
    co_await changed_.wait_for(interval_);
    if (interrupted_) break;
    const auto before = env_.platform;
    check_ = make_check_();
    auto result = co_await check_->run();
    if (interrupted_) co_return result;
    const bool is_conclusive = env_.platform.outages == before.outages && env_.platform.refusals == before.refusals;
    if (!result.ok() && is_conclusive) co_return result;
    if (!is_conclusive)
      env_.reporting.logger.error("inconclusive-check", {{"guid", env_.container.handle}, {"error", result.text}});
  }
  co_return StepResult::cancelled();
}

void ConsistentlySucceedsStep::interrupt() {
  interrupted_ = true;
  if (check_) check_->interrupt();
  changed_.notify_all();
}

// --- health ---

HealthCheckStep::HealthCheckStep(StepEnvironment& environment, StepPtr startup, StepPtr liveness, Outputs outputs)
    : env_(environment),
      startup_(std::move(startup)),
      liveness_(std::move(liveness)),
      outputs_(std::move(outputs)),
      changed_(environment.runtime.executor) {}

std::string HealthCheckStep::elapsed() const { return rounded(env_.runtime.clock.now() - begun_at_); }

asio::awaitable<StepResult> HealthCheckStep::run() {
  begun_at_ = env_.runtime.clock.now();
  if (env_.container.origin != Origin::kResumedRunning) {
    auto result = co_await run_startup();
    if (!result.ok()) co_return result;
  }
  become_ready();
  co_return co_await run_liveness();
}

asio::awaitable<StepResult> HealthCheckStep::run_startup() {
  outputs_.container->out("Starting health monitoring of container\n");
  if (startup_) {
    const auto result = co_await startup_->run();
    if (interrupted_) co_return StepResult::cancelled();
    if (!result.ok()) {
      outputs_.health->err(result.text + "\n");
      outputs_.container->err(fmt::format("Failed after {}: startup health check never passed.\n", elapsed()));
      co_return StepResult::emittable(fmt::format("Instance never healthy after {}: {}", elapsed(), result.text));
    }
  }
  outputs_.container->out("Container became healthy\n");
  co_return StepResult::success();
}

asio::awaitable<StepResult> HealthCheckStep::run_liveness() {
  if (!liveness_) {
    while (!interrupted_) co_await changed_.wait();
    co_return StepResult::cancelled();
  }
  const auto result = co_await liveness_->run();
  if (interrupted_) co_return StepResult::cancelled();
  if (result.ok()) co_return result;
  outputs_.health->err(result.text + "\n");
  outputs_.container->err("Container became unhealthy\n");
  co_return StepResult::emittable("Instance became unhealthy: " + result.text);
}

void HealthCheckStep::interrupt() {
  interrupted_ = true;
  if (startup_) startup_->interrupt();
  if (liveness_) liveness_->interrupt();
  changed_.notify_all();
}

// --- one process ---

PersistentCheckStep::PersistentCheckStep(StepEnvironment& environment, Make make,
                                         std::chrono::nanoseconds give_up_after)
    : env_(environment),
      make_(std::move(make)),
      give_up_after_(give_up_after),
      changed_(environment.runtime.executor) {}

asio::awaitable<StepResult> PersistentCheckStep::run() {
  const auto begun_at = std::chrono::steady_clock::now();
  auto pause = env_.settings.retry_interval;
  for (int attempt = 0; !interrupted_; ++attempt) {
    check_ = make_(attempt);
    check_->on_ready([this] { become_ready(); });
    auto result = co_await check_->run();
    if (result.kind != StepResult::Kind::kUnavailable || interrupted_) co_return result;
    env_.reporting.logger.error("failed-to-run-check", {{"guid", env_.container.handle}, {"error", result.text}});
    if (give_up_after_.count() > 0 && std::chrono::steady_clock::now() - begun_at > give_up_after_) {
      co_return StepResult::emittable(std::move(result.text));
    }
    co_await changed_.wait_for(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
  co_return StepResult::cancelled();
}

void PersistentCheckStep::interrupt() {
  interrupted_ = true;
  if (check_) check_->interrupt();
  changed_.notify_all();
}

// --- readiness ---

ReadinessStep::ReadinessStep(StepEnvironment& environment, Checks checks, ProcessOutputPtr health, OnChange on_change)
    : env_(environment), checks_(std::move(checks)), health_(std::move(health)), on_change_(std::move(on_change)) {}

asio::awaitable<StepResult> ReadinessStep::run_check(CheckFactory& make) {
  check_ = make();
  if (interrupted_) check_->interrupt();
  co_return co_await check_->run();
}

asio::awaitable<StepResult> ReadinessStep::run() {
  become_ready();
  bool is_routable = env_.container.origin == Origin::kResumedRunning && env_.container.was_routable;
  if (!env_.container.is_resumed()) health_->out("Starting readiness health monitoring of container\n");
  while (!interrupted_) {
    if (!is_routable) {
      auto result = co_await run_check(checks_.until_ready);
      if (interrupted_) break;
      if (!result.ok()) {
        health_->out("Failed to run the readiness check\n");
        co_return result;
      }
      health_->out("Container passed the readiness health check. Container marked ready and added to route pool.\n");
      on_change_(true);
    }
    co_await run_check(checks_.readiness);
    if (interrupted_) break;
    is_routable = false;
    health_->out(
        "Container failed the readiness health check. Container marked not ready and removed from route pool.\n");
    on_change_(false);
  }
  co_return StepResult::cancelled();
}

void ReadinessStep::interrupt() {
  interrupted_ = true;
  if (check_) check_->interrupt();
}

}  // namespace rivera::executor
