#include "cluster/supervision/component_keeper.h"

#include <algorithm>
#include <signal.h>

#include "base/work/cancellation.h"
#include "cluster/supervision/process.h"

namespace rivera::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kFirstDelay{100};
constexpr milliseconds kLongestDelay{2000};
constexpr seconds kStable{10};  // a process that lived that long is started again without delay

constexpr milliseconds kProbeWhileStarting{50};
constexpr milliseconds kProbeWhileHealthy{1000};

}  // namespace

ComponentKeeper::ComponentKeeper(asio::any_io_executor executor, Component component, const Settings& settings,
                                 HealthChecker& health, base::Logger logger)
    : component_(std::move(component)),
      log_file_(settings.log_dir() / (component_.name + ".log")),
      pid_file_(settings.run_dir() / (component_.name + ".pid")),
      health_(health),
      logger_(logger.session(component_.name)),
      changed_(executor) {}

asio::awaitable<void> ComponentKeeper::run() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  while (!stopping_ || process_) {
    const auto started = std::chrono::steady_clock::now();
    try {
      if (!process_) start();  // a process whose end could not be awaited is not started twice
      co_await await_end();
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      last_end_ = e.what();
      logger_.error(process_ ? "cannot-watch" : "cannot-start", {{"error", e.what()}});
    }
    if (stopping_ && !process_) break;
    const milliseconds delay = next_delay(std::chrono::steady_clock::now() - started);
    if (delay.count() > 0) co_await changed_.wait_for(delay);
  }
  std::error_code ignored;
  std::filesystem::remove(pid_file_, ignored);
}

void ComponentKeeper::start() {
  base::ChildOptions options;
  options.group = base::ProcessGroup::kOwn;  // a terminal's Ctrl-C is for the supervisor alone
  process_ = base::start_logged(component_.argv, log_file_, options);
  ++starts_;
  is_pid_noted_ = false;
  note_pid();
  logger_.info("started", {{"pid", process_->pid()}});
  changed_.notify_all();
}

asio::awaitable<void> ComponentKeeper::await_end() {
  const int status = co_await process_->ended();
  last_end_ = base::describe_end(status);
  logger_.info("ended", {{"pid", process_->pid()}, {"end", last_end_}, {"asked-for", stopping_ || restart_asked_}});
  process_.reset();
  healthy_ = false;
  changed_.notify_all();
}

// The process is kept if this fails: another copy beside it would be worse than one that a supervisor killed before the
// next attempt leaves behind.
void ComponentKeeper::note_pid() {
  try {
    write_pid_file(pid_file_, process_->pid());
    is_pid_noted_ = true;
  } catch (const std::exception& e) {
    logger_.error("cannot-note-pid", {{"pid", process_->pid()}, {"error", e.what()}});
  }
}

milliseconds ComponentKeeper::next_delay(std::chrono::steady_clock::duration lived) {
  if (restart_asked_ || lived >= kStable) {
    restart_asked_ = false;
    delay_ = milliseconds(0);
    return delay_;
  }
  delay_ = std::clamp(delay_ * 2, kFirstDelay, kLongestDelay);
  return delay_;
}

asio::awaitable<void> ComponentKeeper::watch_health() {
  while (!stopping_) {
    if (!process_) {
      co_await changed_.wait();
      continue;
    }
    if (!is_pid_noted_) note_pid();
    const pid_t asked = process_->pid();
    const bool answer = co_await health_.is_healthy(component_.probe);
    const bool same = process_ && process_->pid() == asked;
    if (same && answer != healthy_) {
      healthy_ = answer;
      logger_.info(answer ? "healthy" : "unhealthy");
      changed_.notify_all();
    }
    co_await base::sleep_for(healthy_ ? kProbeWhileHealthy : kProbeWhileStarting);
  }
}

asio::awaitable<bool> ComponentKeeper::wait_healthy(std::chrono::nanoseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!healthy_ && !stopping_) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() <= 0) co_return false;
    co_await changed_.wait_for(left);
  }
  co_return healthy_;
}

void ComponentKeeper::restart() {
  if (!process_) return;
  restart_asked_ = true;
  healthy_ = false;
  process_->signal(SIGTERM);
}

asio::awaitable<void> ComponentKeeper::stop() {
  stopping_ = true;
  healthy_ = false;
  changed_.notify_all();
  if (!process_) co_return;
  process_->signal(SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + component_.stop_grace;
  while (process_) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() > 0) {
      co_await changed_.wait_for(left);
      continue;
    }
    logger_.error("killed", {{"reason", "it did not end in time"}});
    process_->signal(SIGKILL);
    while (process_) co_await changed_.wait();
  }
}

ComponentStatus ComponentKeeper::status() const {
  return {.name = component_.name,
          .address = component_.address,
          .pid = process_ ? process_->pid() : 0,
          .healthy = healthy_,
          .restarts = std::max(0, starts_ - 1),
          .last_end = last_end_};
}

}  // namespace rivera::cluster
