#include "executor/steps/run_step.h"

#include <fmt/format.h>

#include "base/duration.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "executor/garden/retry.h"

namespace rivera::executor {
namespace {

constexpr const char* kLost = "the process was lost while the cell's software restarted";
constexpr auto kSlowAnswer = std::chrono::seconds(2);
constexpr int kAttachAttempts = 60;  // for errors other than "not found" and "no answer"

asio::awaitable<void> pass_on(ProcessOutputPtr output, std::string_view chunk, bool is_error) {
  if (is_error) {
    output->err(chunk);
  } else {
    output->out(chunk);
  }
  co_return;
}

clients::ProcessIO io_of(const ProcessOutputPtr& output) {
  return {.output = [output](std::string_view chunk) { return pass_on(output, chunk, false); },
          .error = [output](std::string_view chunk) { return pass_on(output, chunk, true); }};
}

}  // namespace

// Shared by the step and the coroutine that waits for the process, which may outlive the run of the step.
struct RunStep::Process {
  explicit Process(asio::any_io_executor executor) : changed(executor) {}

  std::unique_ptr<clients::GardenProcess> handle;  // null while not attached
  bool ended = false;
  int exit_status = 0;
  std::string failure;   // why waiting for the process failed
  bool is_lost = false;  // the server no longer knows it
  base::Condition changed;
};

namespace {

enum class Attached { kYes, kNoProcess, kFailed };

// Attaches to the process. Retries without a limit while the server does not answer. For kFailed `process.failure` has
// the reason.
template <typename Process>
asio::awaitable<Attached> attach(ContainerBackend& backend, std::string container, std::string id,
                                 ProcessOutputPtr output, std::chrono::nanoseconds pause, Process& process) {
  for (int attempt = 1;; ++attempt) {
    bool retry = false;
    try {
      auto io = io_of(output);
      process.handle = co_await backend.attach(container, id, std::move(io));
      co_return Attached::kYes;
    } catch (const garden::ProcessNotFoundError&) {
      co_return Attached::kNoProcess;
    } catch (const garden::ContainerNotFoundError&) {
      process.failure = "missing garden container";
      co_return Attached::kFailed;
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      if (is_no_answer(e)) {
        retry = true;
        attempt = 0;
      } else {
        retry = attempt < kAttachAttempts;
        process.failure = e.what();
      }
    }
    if (!retry) co_return Attached::kFailed;
    co_await base::sleep_for(pause);
  }
}

}  // namespace

namespace {

// Waits for the end of the process. `env` outlives the coroutine, which is one of its tasks.
template <typename Process>
asio::awaitable<void> watch(StepEnvironment& env, std::string id, ProcessOutputPtr output,
                            std::shared_ptr<Process> process) {
  for (;;) {
    bool lost_connection = false;
    try {
      process->exit_status = co_await process->handle->wait();
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      lost_connection = is_no_answer(e);
      if (!lost_connection) process->failure = e.what();
    }
    if (!lost_connection) break;
    ++env.platform.outages;
    process->handle.reset();
    const auto attached =
        co_await attach(env.backend, env.container.handle, id, output, env.settings.retry_interval, *process);
    if (attached == Attached::kNoProcess) {
      process->failure = kLost;
      process->is_lost = true;
    }
    if (attached != Attached::kYes) break;
    process->failure.clear();
    process->changed.notify_all();
  }
  process->ended = true;
  process->changed.notify_all();
}

}  // namespace

RunStep::RunStep(StepEnvironment& environment, RunOptions options) : env_(environment), options_(std::move(options)) {}

RunStep::~RunStep() = default;

void RunStep::interrupt() {
  interrupt_.raise();
  if (process_) process_->changed.notify_all();
}

asio::awaitable<StepResult> RunStep::run() {
  if (const auto known = env_.journal.finished(options_.journal_key); known && !options_.journal_key.empty()) {
    become_ready();
    co_return *known;
  }
  auto result = co_await run_to_end();
  if (!options_.journal_key.empty()) co_await env_.journal.record_finished(options_.journal_key, result);
  co_return result;
}

asio::awaitable<StepResult> RunStep::run_to_end() {
  process_ = std::make_shared<Process>(co_await asio::this_coro::executor);
  const auto early = co_await begin();
  if (early) co_return *early;

  become_ready();
  const auto& id = options_.process.id.empty() ? process_->handle->id() : options_.process.id;
  env_.tasks.spawn("wait-for-process", watch(env_, id, options_.output, process_));
  co_await wait_for_end();
  if (!process_->ended) co_return StepResult::did_not_exit();
  co_return co_await result_of_exit();
}

// Starts the process or attaches to it. Returns a result if there is no process to wait for.
asio::awaitable<std::optional<StepResult>> RunStep::begin() {
  const auto begun_at = std::chrono::steady_clock::now();
  std::string failure;
  bool is_platforms = true;
  try {
    co_await interrupt_.guard(start_process());
    co_return std::nullopt;
  } catch (const Interrupted&) {
    if (std::chrono::steady_clock::now() - begun_at > kSlowAnswer) ++env_.platform.outages;
    co_return StepResult::cancelled();
  } catch (const garden::ExecutableNotFoundError& e) {
    failure = e.what();
    is_platforms = false;
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = e.what();
  }
  if (options_.is_check && is_platforms) {
    ++env_.platform.refusals;
    co_return StepResult::unavailable(failure);
  }
  options_.output->out("failed-creating-process: " + failure + "\n");
  options_.output->flush();
  co_return StepResult::failure(failure);
}

asio::awaitable<void> RunStep::start_process() {
  const auto& key = options_.journal_key;
  const auto pause = env_.settings.retry_interval;
  const bool was_started = !key.empty() && env_.journal.started(key);
  bool join = was_started || options_.attach_first;
  if (!key.empty() && !was_started) co_await env_.journal.record_started(key);

  for (;;) {
    if (join) {
      const auto attached =
          co_await attach(env_.backend, env_.container.handle, options_.process.id, options_.output, pause, *process_);
      if (attached == Attached::kYes) co_return;
      if (attached == Attached::kFailed) throw std::runtime_error(process_->failure);
      if (was_started) {
        env_.platform.process_lost = true;
        throw std::runtime_error(kLost);
      }
    }
    join = false;
    try {
      auto io = io_of(options_.output);
      process_->handle = co_await env_.backend.run(env_.container.handle, options_.process, std::move(io));
      co_return;
    } catch (const std::exception& e) {
      if (base::is_cancellation(e) || !is_no_answer(e)) throw;
      ++env_.platform.outages;
    }
    // The server may have started the process without answering. Only a process with an id chosen here can be found;
    // any other then runs until the container ends.
    join = !options_.process.id.empty();
    co_await base::sleep_for(pause);
  }
}

asio::awaitable<void> RunStep::wait_for_end() {
  using std::chrono::steady_clock;
  while (!process_->ended && !interrupt_.raised()) co_await process_->changed.wait();

  const auto kill_at = steady_clock::now() + env_.settings.graceful_shutdown_interval;
  auto give_up_at = steady_clock::time_point::max();
  while (!process_->ended) {
    const auto now = steady_clock::now();
    if (now >= give_up_at) co_return;
    const bool kill = now >= kill_at;
    auto next = kill ? give_up_at : kill_at;
    if (kill ? !killed_ : !signalled_) {
      const bool sent = co_await send(kill ? garden::Signal::kKill : garden::Signal::kTerminate);
      if (sent && kill) killed_ = true;
      if (sent && kill) give_up_at = now + env_.settings.exit_timeout;
      if (sent) signalled_ = true;
      if (sent) continue;
      next = now + env_.settings.retry_interval;
    }
    co_await process_->changed.wait_for(next - steady_clock::now());
  }
}

// False if the process has ended or the server does not answer.
asio::awaitable<bool> RunStep::send(garden::Signal signal) {
  if (!process_->handle) co_return false;
  const auto begun_at = std::chrono::steady_clock::now();
  bool sent = false;
  try {
    co_await process_->handle->signal(signal);
    sent = true;
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    if (is_no_answer(e)) ++env_.platform.outages;
  }
  // A server that hung may also not have reported the end of the process.
  if (std::chrono::steady_clock::now() - begun_at > kSlowAnswer) ++env_.platform.outages;
  co_return sent;
}

asio::awaitable<StepResult> RunStep::result_of_exit() {
  if (!process_->failure.empty()) {
    options_.output->flush();
    if (interrupt_.raised()) co_return StepResult::cancelled();
    if (options_.is_check) {
      ++env_.platform.refusals;
      co_return StepResult::unavailable(process_->failure);
    }
    if (process_->is_lost) env_.platform.process_lost = true;
    co_return StepResult::failure(process_->failure);
  }
  const int status = process_->exit_status;
  bool out_of_memory = false;
  if (status != 0) out_of_memory = co_await ran_out_of_memory();

  std::string line = fmt::format("Exit status {}", status);
  if (killed_) {
    line += fmt::format(" (exceeded {} graceful shutdown interval)",
                        base::format_go_duration(env_.settings.graceful_shutdown_interval));
  }
  if (out_of_memory) line += " (out of memory)";
  if (!options_.is_check) options_.output->out(line + "\n");
  options_.output->flush();

  if (killed_) co_return StepResult::grace_exceeded();
  // A process that ended before the signal was sent has its own result.
  if (signalled_) co_return StepResult::cancelled();
  if (status == 0) co_return StepResult::success();
  const std::string suffix = out_of_memory ? " (out of memory)" : "";
  if (options_.is_check) co_return StepResult::emittable(suffix);
  co_return StepResult::emittable(fmt::format("{}: Exited with status {}{}", options_.log_source, status, suffix));
}

asio::awaitable<bool> RunStep::ran_out_of_memory() {
  try {
    const auto info = co_await env_.backend.info(env_.container.handle);
    for (const auto& event : info.events) {
      if (event == "out of memory" || event == "Out of memory") co_return true;
    }
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    env_.reporting.logger.info("failed-to-get-container-events", {{"error", e.what()}});
  }
  co_return false;
}

}  // namespace rivera::executor
