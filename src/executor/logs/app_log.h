// The log of a container: the output of its processes, and lines of the cell (docs/spec/cell.md §5.2, §5.3).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "executor/container/container.h"
#include "executor/logs/process_output.h"

namespace rivera::executor {

struct AppLogLine {
  const LogConfig& config;
  std::string_view source;
  bool is_error = false;
  std::string_view text;
  base::Timestamp at;
};

// The destination of log lines. Never blocks; drops lines that it cannot accept.
class AppLogSink {
 public:
  virtual ~AppLogSink() = default;
  virtual void write(const AppLogLine& line) = 0;
};

struct AppLogLimits {
  std::int64_t bytes_per_second = -1;  // -1: unlimited, 0: nothing is logged
  std::int64_t lines_per_second = 0;   // 0: unlimited
};

// Longer lines are cut at a character boundary.
inline constexpr std::size_t kLongestLogLine = 61'440;

// The log of one container. All of its sources and streams share one rate limit. Used on one strand.
class AppLog {
 public:
  // `on_limit`, which may be empty, is called whenever the rate limit is exceeded. Sink and clock must outlive the log
  // and its outputs.
  AppLog(LogConfig config, AppLogLimits limits, AppLogSink& sink, const base::Clock& clock,
         std::function<void()> on_limit = {});
  ~AppLog();

  // An output for a process under `source`, with its own line buffers. It may outlive the log.
  ProcessOutputPtr output(const std::string& source);
  // The container's default source.
  const std::string& source() const;

  // Writes a line of the cell under the container's source. The rate limit does not apply.
  void write_line(std::string_view text, bool is_error = false);
  // The same under another source; "" means the container's.
  void write_line_as(const std::string& source, std::string_view text);

  // Adds tags; replaces those of the same name.
  void merge_tags(const std::map<std::string, std::string>& tags);

  class Shared;

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace rivera::executor
