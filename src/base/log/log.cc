#include "base/log/log.h"

#include <array>
#include <chrono>
#include <ctime>
#include <stdexcept>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/log/log_scrubber.h"
#include "base/log/log_writer.h"

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

constexpr auto kPatienceOfFatal = std::chrono::seconds(1);

struct LineStyle {
  std::string source;
  LogTimeFormat format;
};

std::string make_line(const LineStyle& style, LogLevel level, const std::string& message, boost::json::object data) {
  boost::json::object line;
  if (style.format == LogTimeFormat::kRfc3339) {
    line["timestamp"] = rfc3339_now();
    line["level"] = kLevelNames[static_cast<std::size_t>(level)];
  } else {
    line["timestamp"] = unix_epoch_now();
    line["log_level"] = static_cast<int>(level);
  }
  line["source"] = style.source;
  line["message"] = message;
  line["data"] = std::move(data);
  return boost::json::serialize(line) + "\n";
}

std::shared_ptr<LogWriter> writer_to(int fd) {
  if (fd < 0) return nullptr;
  return fd == STDOUT_FILENO ? LogWriter::of_standard_output() : std::make_shared<LogWriter>(fd);
}

}  // namespace

struct Logger::Sink {
  Sink(LineStyle given, LogLevel threshold, int fd)
      : style(std::move(given)),
        least(threshold),
        writer(writer_to(fd)),
        lost_line(std::make_shared<const LostLine>([style = style](std::uint64_t lost) {
          return make_line(style, LogLevel::kError, style.source + ".log.lines-lost", {{"lines", lost}});
        })) {}

  const LineStyle style;
  std::atomic<LogLevel> least;
  const std::shared_ptr<LogWriter> writer;  // null: nothing is written
  const std::shared_ptr<const LostLine> lost_line;
};

LogLevel parse_log_level(std::string_view text) {
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    if (text == kLevelNames[i]) return static_cast<LogLevel>(i);
  }
  throw std::invalid_argument(fmt::format("\"{}\" is not a log level (debug, info, error or fatal)", text));
}

Logger::Logger(std::string component, LogLevel least, LogTimeFormat format, int fd)
    : sink_(std::make_shared<Sink>(LineStyle{component, format}, least, fd)),
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
void Logger::fatal(std::string_view message, LogFields fields) const {
  write(LogLevel::kFatal, message, fields);
  flush(kPatienceOfFatal);
}

bool Logger::flush(std::chrono::nanoseconds limit) const { return !sink_->writer || sink_->writer->flush(limit); }

void Logger::write(LogLevel level, std::string_view message, LogFields fields) const {
  if (!enabled(level) || !sink_->writer) return;
  boost::json::object data = data_;
  if (!session_path_.empty()) data["session"] = session_path_;
  for (const LogField& field : fields) data[field.name] = field.value;
  scrub_log_data(data);
  sink_->writer->push(make_line(sink_->style, level, fmt::format("{}.{}", prefix_, message), std::move(data)),
                      sink_->lost_line);
}

}  // namespace rivera::base
