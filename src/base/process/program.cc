#include "base/process/program.h"

#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/strand.hpp>

#include "base/failure.h"
#include "base/log/end_process.h"
#include "base/process/resources.h"
#include "base/work/wait.h"

namespace rivera::base {

namespace {

// Ends the process if it has not ended by itself in time.
class Watchdog {
 public:
  explicit Watchdog(Logger logger) : logger_(std::move(logger)) {}

  // The first call counts. Any thread.
  void start(int exit_status, std::chrono::nanoseconds limit) {
    const std::lock_guard lock(mutex_);
    if (thread_.joinable()) return;
    thread_ = std::jthread([this, exit_status, limit](const std::stop_token& ended) {
      std::unique_lock waiting(mutex_);
      never_.wait_for(waiting, ended, limit, [] { return false; });
      if (ended.stop_requested()) return;
      logger_.flush();
      std::_Exit(exit_status);
    });
  }

 private:
  const Logger logger_;
  std::mutex mutex_;
  std::condition_variable_any never_;
  std::jthread thread_;  // last: stopped and joined first
};

}  // namespace

struct Program::State {
  explicit State(ProgramOptions given)
      : options(std::move(given)),
        logger(options.name, options.log_level, options.log_time_format),
        watchdog(logger),
        io(static_cast<int>(options.io_threads)),
        workers(options.worker_threads),
        home(asio::make_strand(io)),
        signals(home, SIGINT, SIGTERM),
        stop_changed(home) {}

  ProgramOptions options;
  Logger logger;
  FreeMemoryWatch free_memory;
  Watchdog watchdog;  // outlives what may hang
  asio::io_context io;
  WorkerPool workers;
  asio::strand<asio::io_context::executor_type> home;  // the body and what follows belong to it
  asio::signal_set signals;
  Condition stop_changed;
  bool stopping = false;
  int signals_seen = 0;
  std::atomic<int> status{0};

  void stop(int exit_status) {
    if (stopping) return;
    stopping = true;
    status = exit_status;
    stop_changed.notify_all();
  }

  // What leaves a handler belongs to no coroutine that could have caught it: an unknown part of the work is undone.
  void run_events() {
    try {
      io.run();
    } catch (...) {
      end_process(logger, "event-loop.failed", describe_failure(std::current_exception()));
    }
  }

  void watch_signals() {
    signals.async_wait([this](error_code ec, int) {
      if (ec) return;
      if (++signals_seen > 1) {
        logger.flush();
        std::_Exit(1);
      }
      stop(0);
      watch_signals();
    });
  }
};

Program::Program(ProgramOptions options) : state_(std::make_unique<State>(std::move(options))) {
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  set_log_scrubbing(state_->options.log_scrubbing);
}
Program::~Program() = default;

asio::any_io_executor Program::executor() { return state_->home; }
WorkerPool& Program::workers() { return state_->workers; }
const Logger& Program::logger() const { return state_->logger; }
int Program::exit_status() const { return state_->status; }

asio::awaitable<void> Program::stop_requested() {
  while (!state_->stopping) co_await state_->stop_changed.wait();
}

void Program::request_stop(int exit_status) {
  asio::post(state_->home, [state = state_.get(), exit_status] { state->stop(exit_status); });
}

void Program::request_stop(int exit_status, std::chrono::nanoseconds limit) {
  state_->watchdog.start(exit_status, limit);
  request_stop(exit_status);
}

int Program::run(std::function<asio::awaitable<void>(Program&)> body) {
  state_->watch_signals();
  asio::co_spawn(state_->home, body(*this), [this](std::exception_ptr failure) {
    if (failure) {
      state_->logger.fatal("exited-with-failure", {{"error", describe_failure(failure)}});
      state_->status = 1;
    }
    state_->io.stop();
  });
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < state_->options.io_threads; ++i) {
    threads.emplace_back([this] { state_->run_events(); });
  }
  state_->run_events();
  for (auto& thread : threads) thread.join();
  state_->logger.flush();
  return state_->status;
}

}  // namespace rivera::base
