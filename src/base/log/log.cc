#include "base/log/log.h"

#include <array>
#include <chrono>
#include <ctime>
#include <mutex>
#include <stdexcept>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/log/log_scrubber.h"

namespace rivera::base {
namespace {

constexpr std::array<std::string_view, 4> kLevelNames{"debug", "info", "error", "fatal"};

std::string rfc3339_now() {
  const auto now = std::chrono::system_clock::now();
  const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                     nanos % 1'000'000'000);
}

std::string unix_epoch_now() {
  const auto nanos = std::chrono::system_clock::now().time_since_epoch().count();
  return fmt::format("{}.{:09}", nanos / 1'000'000'000, nanos % 1'000'000'000);
}

}  // namespace

struct Logger::Sink {
  std::string source;
  std::atomic<LogLevel> least;
  LogTimeFormat format;
  int fd;
  std::mutex mutex;

  void write_line(const std::string& line) {
    if (fd < 0) return;
    const std::lock_guard lock(mutex);
    std::string_view rest = line;
    while (!rest.empty()) {
      const ssize_t n = ::write(fd, rest.data(), rest.size());
      if (n <= 0) return;  // nobody reads our log: going on matters more
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
  }
};

LogLevel parse_log_level(std::string_view text) {
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    if (text == kLevelNames[i]) return static_cast<LogLevel>(i);
  }
  throw std::invalid_argument(fmt::format("\"{}\" is not a log level (debug, info, error or fatal)", text));
}

Logger::Logger(std::string component, LogLevel least, LogTimeFormat format, int fd)
    : sink_(new Sink{component, least, format, fd, {}}),
      prefix_(std::move(component)),
      children_(std::make_shared<std::atomic<int>>(0)) {}

Logger::Logger(std::shared_ptr<Sink> sink, std::string prefix, boost::json::object data, std::string session_path)
    : sink_(std::move(sink)),
      prefix_(std::move(prefix)),
      data_(std::move(data)),
      session_path_(std::move(session_path)),
      children_(std::make_shared<std::atomic<int>>(0)) {}

Logger Logger::discard() { return Logger("discard", LogLevel::kFatal, LogTimeFormat::kRfc3339, -1); }

Logger Logger::session(std::string_view name, LogFields fields) const {
  const int number = children_->fetch_add(1) + 1;
  std::string path = session_path_.empty() ? std::to_string(number) : fmt::format("{}.{}", session_path_, number);
  boost::json::object data = data_;
  for (const LogField& field : fields) data[field.name] = field.value;
  return Logger(sink_, fmt::format("{}.{}", prefix_, name), std::move(data), std::move(path));
}

bool Logger::enabled(LogLevel level) const { return level >= sink_->least.load(std::memory_order_relaxed); }
void Logger::set_level(LogLevel least) const { sink_->least = least; }

void Logger::debug(std::string_view message, LogFields fields) const { write(LogLevel::kDebug, message, fields); }
void Logger::info(std::string_view message, LogFields fields) const { write(LogLevel::kInfo, message, fields); }
void Logger::error(std::string_view message, LogFields fields) const { write(LogLevel::kError, message, fields); }
void Logger::fatal(std::string_view message, LogFields fields) const { write(LogLevel::kFatal, message, fields); }

void Logger::write(LogLevel level, std::string_view message, LogFields fields) const {
  if (!enabled(level)) return;
  boost::json::object data = data_;
  if (!session_path_.empty()) data["session"] = session_path_;
  for (const LogField& field : fields) data[field.name] = field.value;
  scrub_log_data(data);

  boost::json::object line;
  if (sink_->format == LogTimeFormat::kRfc3339) {
    line["timestamp"] = rfc3339_now();
    line["level"] = kLevelNames[static_cast<std::size_t>(level)];
  } else {
    line["timestamp"] = unix_epoch_now();
    line["log_level"] = static_cast<int>(level);
  }
  line["source"] = sink_->source;
  line["message"] = fmt::format("{}.{}", prefix_, message);
  line["data"] = std::move(data);
  sink_->write_line(boost::json::serialize(line) + "\n");
}

}  // namespace rivera::base
