// What applications write, and what the cell tells their owners: lines with a source (docs/spec/cell.md §5.2, §5.3).
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

// Where lines end up. Never blocks; drops what it cannot take.
class AppLogSink {
 public:
  virtual ~AppLogSink() = default;
  virtual void write(const AppLogLine& line) = 0;
};

struct AppLogLimits {
  std::int64_t bytes_per_second = -1;  // -1: unlimited, 0: nothing is logged
  std::int64_t lines_per_second = 0;   // 0: unlimited
};

// Lines longer than this are cut, at a character's boundary.
inline constexpr std::size_t kLongestLogLine = 61'440;

// The log of one container. All of its sources and streams share one rate limit. Used on one strand.
class AppLog {
 public:
  // `on_limit` is told of each overage; may be empty. Sink and clock must outlive the log and its outputs.
  AppLog(LogConfig config, AppLogLimits limits, AppLogSink& sink, const base::Clock& clock,
         std::function<void()> on_limit = {});
  ~AppLog();

  // The output of a process under a source; each call gives one with line buffers of its own. Keeps working after the
  // log has gone.
  ProcessOutputPtr output(const std::string& source);
  // The container's own source.
  const std::string& source() const;

  // A line of the cell's own, under the container's source and past the limit.
  void say(std::string_view text, bool is_error = false);
  // The same under another source; "" is the container's.
  void say_as(const std::string& source, std::string_view text);

  // Adds to the tags; those given before stay unless they are given again.
  void merge_tags(const std::map<std::string, std::string>& tags);

  class Shared;

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace rivera::executor
