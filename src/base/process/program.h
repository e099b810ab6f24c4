// The frame of a server process: event loop, worker threads, signals, ordered shutdown, exit status.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/log/log_scrubber.h"
#include "base/work/worker_pool.h"

namespace rivera::base {

struct ProgramOptions {
  std::string name;            // also the log source
  std::size_t io_threads = 1;  // threads that run the event loop; above 1, give each object a strand
  std::size_t worker_threads = 4;
  LogLevel log_level = LogLevel::kInfo;
  LogTimeFormat log_time_format = LogTimeFormat::kRfc3339;
  LogScrubbing log_scrubbing = {};  // of every logger of the process
};

// What a server's body works with.
class Program {
 public:
  explicit Program(ProgramOptions options);
  ~Program();

  // With one io thread, everything spawned here runs one at a time. With more, wrap it in a strand.
  asio::any_io_executor executor();
  WorkerPool& workers();
  const Logger& logger() const;

  // Returns at the first SIGINT or SIGTERM, or after request_stop(). A second signal ends the process at once with
  // status 1.
  asio::awaitable<void> stop_requested();
  // Ends stop_requested() from inside, with the exit status that the process is to have (for example 1 for a lost
  // lock). May be called from any thread; the first call counts.
  void request_stop(int exit_status);
  // The same; and if the program has not ended within `limit`, whatever it waits for, it is ended with that status.
  void request_stop(int exit_status, std::chrono::nanoseconds limit);
  int exit_status() const;

  // Runs `body` to its end and gives the exit status: 0, that of request_stop(), or 1 if `body` throws (logged as
  // "<name>.exited-with-failure"). An exception that leaves a handler of the event loop, and so belongs to no
  // coroutine, ends the process as end_process() does.
  int run(std::function<asio::awaitable<void>(Program&)> body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rivera::base
