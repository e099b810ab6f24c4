#include "executor/steps/composite_steps.h"

#include <fmt/format.h>

#include "base/duration.h"
#include "base/work/cancellation.h"

namespace rivera::executor {
namespace {

// The step's result. An exception becomes a failure, except for the cancellation of the coroutine, which is rethrown.
asio::awaitable<StepResult> result_of(Step& step) {
  std::string failure;
  try {
    co_return co_await step.run();
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = e.what();
  }
  co_return StepResult::failure(std::move(failure));
}

}  // namespace

// --- serial ---

SerialStep::SerialStep(std::vector<StepPtr> steps) : steps_(std::move(steps)) {
  if (!steps_.empty()) steps_.back()->on_ready([this] { become_ready(); });
}

asio::awaitable<StepResult> SerialStep::run() {
  if (steps_.empty()) become_ready();
  for (const auto& step : steps_) {
    if (interrupted_) co_return StepResult::cancelled();
    current_ = step.get();
    auto result = co_await result_of(*step);
    current_ = nullptr;
    if (!result.ok() || interrupted_) co_return result;
  }
  co_return StepResult::success();
}

void SerialStep::interrupt() {
  interrupted_ = true;
  if (current_) current_->interrupt();
}

// --- concurrent ---

ConcurrentSteps::ConcurrentSteps(StepEnvironment& environment, std::vector<StepPtr> steps) : env_(environment) {
  children_.reserve(steps.size());
  for (auto& step : steps) {
    children_.push_back({std::move(step), {}});
    children_.back().step->on_ready([this] { note_ready(); });
  }
}

void ConcurrentSteps::note_ready() {
  if (++ready_ == children_.size()) become_ready();
}

void ConcurrentSteps::interrupt() {
  if (std::exchange(interrupted_, true)) return;
  interrupt_all();
}

void ConcurrentSteps::interrupt_all() {
  for (const auto& child : children_) child.step->interrupt();
}

void ConcurrentSteps::start_all() {
  changed_ = std::make_unique<base::Condition>(env_.runtime.executor);
  if (children_.empty()) become_ready();
  for (std::size_t i = 0; i < children_.size(); ++i) env_.tasks.spawn("step", run_child(i));
}

asio::awaitable<void> ConcurrentSteps::run_child(std::size_t index) {
  children_[index].result = co_await result_of(*children_[index].step);
  ended_.push_back(index);
  changed_->notify_all();
}

asio::awaitable<std::size_t> ConcurrentSteps::next_ended() {
  while (taken_ == ended_.size()) co_await changed_->wait();
  co_return ended_[taken_++];
}

asio::awaitable<StepResult> ParallelStep::run() {
  start_all();
  for (std::size_t i = 0; i < count(); ++i) co_await next_ended();
  std::vector<StepResult> results;
  for (std::size_t i = 0; i < count(); ++i) results.push_back(result(i));
  co_return StepResult::aggregate(results);
}

asio::awaitable<StepResult> CodependentStep::run() {
  start_all();
  std::vector<StepResult> results;
  bool ending = false;
  for (std::size_t i = 0; i < count(); ++i) {
    const auto child = co_await next_ended();
    auto ended = result(child);
    if (ended.ok() && fails_on_exit_) ended = StepResult::codependent_exited();
    if ((!ended.ok() || cancels_others_on_exit_) && !ending) {
      ending = true;
      interrupt_all();
    }
    results.push_back(std::move(ended));
  }
  co_return StepResult::aggregate(results);
}

// --- timeout ---

TimeoutStep::TimeoutStep(StepEnvironment& environment, StepPtr child, std::chrono::nanoseconds limit,
                         std::string journal_key)
    : env_(environment), child_(std::move(child)), limit_(limit), journal_key_(std::move(journal_key)) {
  child_->on_ready([this] { become_ready(); });
}

void TimeoutStep::interrupt() { child_->interrupt(); }

asio::awaitable<void> TimeoutStep::run_child() {
  result_ = co_await result_of(*child_);
  ended_ = true;
  changed_->notify_all();
}

asio::awaitable<std::chrono::nanoseconds> TimeoutStep::time_left() {
  if (journal_key_.empty()) co_return limit_;
  const auto begun = env_.journal.begun(journal_key_);
  const auto now = env_.runtime.clock.now();
  if (begun) co_return std::clamp<std::chrono::nanoseconds>(*begun + limit_ - now, std::chrono::nanoseconds(0), limit_);
  co_await env_.journal.record_begun(journal_key_, now);
  co_return limit_;
}

asio::awaitable<StepResult> TimeoutStep::run() {
  changed_ = std::make_unique<base::Condition>(env_.runtime.executor);
  const auto deadline = std::chrono::steady_clock::now() + co_await time_left();
  env_.tasks.spawn("step", run_child());
  bool expired = false;
  while (!ended_ && !expired) {
    const auto left = deadline - std::chrono::steady_clock::now();
    expired = left <= std::chrono::nanoseconds(0);
    if (!expired) co_await changed_->wait_for(left);
  }
  if (ended_) co_return result_;

  child_->interrupt();
  while (!ended_) co_await changed_->wait();
  auto text = fmt::format("exceeded {} timeout", base::format_go_duration(limit_));
  if (result_.kind == StepResult::Kind::kEmittable) text += "; " + result_.text;
  co_return StepResult::emittable(std::move(text));
}

// --- wrappers of one child ---

TryStep::TryStep(StepPtr child) : child_(std::move(child)) {
  child_->on_ready([this] { become_ready(); });
}

asio::awaitable<StepResult> TryStep::run() {
  co_await result_of(*child_);
  co_return StepResult::success();
}

EmitProgressStep::EmitProgressStep(StepPtr child, Messages messages, ProcessOutputPtr output)
    : child_(std::move(child)), messages_(std::move(messages)), output_(std::move(output)) {
  child_->on_ready([this] { become_ready(); });
}

asio::awaitable<StepResult> EmitProgressStep::run() {
  if (!messages_.start.empty()) output_->out(messages_.start + "\n");
  auto result = co_await result_of(*child_);
  if (result.ok()) {
    if (!messages_.success.empty()) output_->out(messages_.success + "\n");
  } else if (!messages_.failure_prefix.empty()) {
    auto line = messages_.failure_prefix;
    if (result.kind == StepResult::Kind::kEmittable) line += ": " + result.text;
    output_->err(line + "\n");
  }
  co_return result;
}

TimedStep::TimedStep(StepEnvironment& environment, StepPtr child, OnEnd on_end)
    : env_(environment), child_(std::move(child)), on_end_(std::move(on_end)) {
  child_->on_ready([this] { become_ready(); });
}

asio::awaitable<void> TimedStep::run_child() {
  result_ = co_await result_of(*child_);
  ended_ = true;
  changed_->notify_all();
}

asio::awaitable<StepResult> TimedStep::run() {
  if (interrupted_) co_return StepResult::success();
  changed_ = std::make_unique<base::Condition>(env_.runtime.executor);
  env_.tasks.spawn("step", run_child());
  while (!ended_ && !interrupted_) co_await changed_->wait();
  if (!ended_) co_return StepResult::success();
  on_end_(result_.ok());
  co_return result_;
}

void TimedStep::interrupt() {
  interrupted_ = true;
  child_->interrupt();
  if (changed_) changed_->notify_all();
}

BackgroundStep::BackgroundStep(StepEnvironment& environment, StepPtr child)
    : env_(environment), child_(std::move(child)) {
  child_->on_ready([this] { become_ready(); });
}

asio::awaitable<void> BackgroundStep::run_child() {
  result_ = co_await result_of(*child_);
  ended_ = true;
  changed_->notify_all();
}

asio::awaitable<StepResult> BackgroundStep::run() {
  if (interrupted_) co_return StepResult::success();
  changed_ = std::make_unique<base::Condition>(env_.runtime.executor);
  env_.tasks.spawn("step", run_child());
  while (!ended_ && !interrupted_) co_await changed_->wait();
  if (!ended_) co_return StepResult::success();
  co_return result_;
}

void BackgroundStep::interrupt() {
  interrupted_ = true;
  if (changed_) changed_->notify_all();
}

ThrottledStep::ThrottledStep(Limiter& limiter, StepPtr child) : limiter_(limiter), child_(std::move(child)) {
  child_->on_ready([this] { become_ready(); });
}

asio::awaitable<StepResult> ThrottledStep::run() {
  const auto slot = co_await limiter_.acquire();
  if (interrupted_) co_return StepResult::cancelled();
  co_return co_await result_of(*child_);
}

void ThrottledStep::interrupt() {
  interrupted_ = true;
  child_->interrupt();
}

OutputAsErrorStep::OutputAsErrorStep(StepPtr child, std::shared_ptr<CapturedOutput> output, std::string prefix)
    : child_(std::move(child)), output_(std::move(output)), prefix_(std::move(prefix)) {
  child_->on_ready([this] { become_ready(); });
}

asio::awaitable<StepResult> OutputAsErrorStep::run() {
  auto result = co_await result_of(*child_);
  switch (result.kind) {
    case StepResult::Kind::kSuccess:
    case StepResult::Kind::kCancelled:
    case StepResult::Kind::kGraceExceeded:
      co_return result;
    case StepResult::Kind::kDidNotExit:
    case StepResult::Kind::kCodependentExited:
    case StepResult::Kind::kEmittable:
    case StepResult::Kind::kFailure:
    case StepResult::Kind::kUnavailable:
    case StepResult::Kind::kAggregate:
      break;
  }
  auto text = output_->trimmed();
  if (text.empty()) text = "Failed to invoke process: " + result.text;
  if (!prefix_.empty()) text = prefix_ + ": " + text;
  if (result.kind == StepResult::Kind::kUnavailable) co_return StepResult::unavailable(std::move(text));
  co_return StepResult::emittable(std::move(text));
}

}  // namespace rivera::executor
