// Where log lines go: a bounded buffer, and a thread that writes it to a file descriptor.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace rivera::base {

// The line, with its newline, that says how many lines were lost.
using LostLine = std::function<std::string(std::uint64_t lost)>;

// A caller never waits for the reader of the log. While the buffer is full, lines are dropped and counted; one line
// that says how many stands in their place. Interrupted and short writes are completed. A line that cannot be written
// (a full disk, a closed pipe) is dropped and counted too. May be used from any thread.
class LogWriter {
 public:
  static constexpr std::size_t kBufferLimit = 4u << 20;  // bytes

  // Does not own `fd`. The thread starts with the first line.
  explicit LogWriter(int fd, std::size_t buffer_limit = kBufferLimit);
  // Flushes, at most for a second; then the rest is lost.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Of standard output; never destroyed, flushed when the process exits. All loggers share it, so that their lines keep
  // their order.
  static const std::shared_ptr<LogWriter>& of_standard_output();

  // `line` ends with a newline. `lost_line` is called from the writer's thread if this line is lost.
  void push(std::string_view line, const std::shared_ptr<const LostLine>& lost_line);
  // Waits until what has been pushed so far is written or lost, at most `limit`. False: not in time.
  bool flush(std::chrono::nanoseconds limit);

 private:
  class Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace rivera::base
