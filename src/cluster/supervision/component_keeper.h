// Keeps one component running.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "base/log/log.h"
#include "base/process/child_process.h"
#include "base/work/wait.h"
#include "cluster/prepare/component.h"
#include "cluster/supervision/component_status.h"
#include "cluster/supervision/health.h"

namespace rivera::cluster {

// Starts the process, starts it again whenever it ends (after 100 ms, then twice as long each time up to 2 s, while it
// keeps ending within 10 s), and asks for its health. Its pid is in <run>/<name>.pid, its output in <log>/<name>.log.
// While the pid cannot be written (a full disk), the process is kept, and writing is tried again.
//
// Owned by Supervisor, used on its executor. run() and watch_health() are two coroutines of the owner's that end after
// stop(). The process does not outlive the keeper.
class ComponentKeeper {
 public:
  ComponentKeeper(asio::any_io_executor executor, Component component, const Settings& settings, HealthChecker& health,
                  base::Logger logger);

  asio::awaitable<void> run();
  asio::awaitable<void> watch_health();

  // True once it is healthy; false if that has not happened within `limit`, or stop() was called.
  asio::awaitable<bool> wait_healthy(std::chrono::nanoseconds limit);
  // Asks the process to end; run() starts it again at once.
  void restart();
  // Ends the process, by force after its grace time, and with it run() and watch_health().
  asio::awaitable<void> stop();

  ComponentStatus status() const;

 private:
  void start();
  asio::awaitable<void> await_end();
  void note_pid();
  std::chrono::milliseconds next_delay(std::chrono::steady_clock::duration lived);

  Component component_;
  std::filesystem::path log_file_;
  std::filesystem::path pid_file_;
  HealthChecker& health_;
  base::Logger logger_;
  base::Condition changed_;

  std::optional<base::ChildProcess> process_;  // empty between two runs
  bool is_pid_noted_ = false;
  bool healthy_ = false;
  bool stopping_ = false;
  bool restart_asked_ = false;
  int starts_ = 0;
  std::chrono::milliseconds delay_{0};
  std::string last_end_;
};

}  // namespace rivera::cluster
