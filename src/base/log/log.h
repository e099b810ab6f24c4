// Structured logs in lager's form: one JSON object a line, messages named by component and session.
#pragma once

#include <atomic>
#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_from.hpp>

namespace rivera::base {

enum class LogLevel { kDebug = 0, kInfo = 1, kError = 2, kFatal = 3 };
enum class LogTimeFormat { kRfc3339, kUnixEpoch };

// "debug", "info", "error" or "fatal". Throws std::invalid_argument otherwise.
LogLevel parse_log_level(std::string_view text);

// One entry of a line's data: a name, and text, a number, a truth value, or any JSON value.
struct LogField {
  template <typename T>
  LogField(std::string_view field_name, T&& field_value) : name(field_name) {
    if constexpr (std::is_convertible_v<T, std::string_view>) {
      const std::string_view text = field_value;
      value.emplace_string().assign(text.data(), text.size());
    } else {
      value = boost::json::value_from(std::forward<T>(field_value));
    }
  }

  std::string_view name;
  boost::json::value value;
};
using LogFields = std::initializer_list<LogField>;

// Writes `{"timestamp":..,"level":..,"source":"bbs","message":"bbs.session.action","data":{..}}` to standard output or
// a file descriptor. Cheap to copy; thread-safe; a line is written whole, or lost and counted, and never waited for
// (LogWriter). Never give it a secret.
class Logger {
 public:
  // `component` is both the source and the first part of every message.
  explicit Logger(std::string component, LogLevel least = LogLevel::kInfo,
                  LogTimeFormat format = LogTimeFormat::kRfc3339, int fd = 1);
  // Discards everything: for tests.
  static Logger discard();

  // A child whose messages start with `<this>.<name>.` and whose data hold `fields` and a session number, as lager's.
  Logger session(std::string_view name, LogFields fields = {}) const;

  void debug(std::string_view message, LogFields fields = {}) const;
  void info(std::string_view message, LogFields fields = {}) const;
  void error(std::string_view message, LogFields fields = {}) const;
  void fatal(std::string_view message, LogFields fields = {}) const;  // flushes; does not exit
  // Waits until all lines so far are written, at most `limit`. False: not in time.
  bool flush(std::chrono::nanoseconds limit = std::chrono::seconds(1)) const;

  bool enabled(LogLevel level) const;
  void set_level(LogLevel least) const;

 private:
  struct Sink;
  Logger(std::shared_ptr<Sink> sink, std::string prefix, boost::json::object data, std::string session_path);
  void write(LogLevel level, std::string_view message, LogFields fields) const;

  std::shared_ptr<Sink> sink_;
  std::string prefix_;  // "bbs.session"
  boost::json::object data_;
  std::string session_path_;  // "1.4"
  std::shared_ptr<std::atomic<int>> children_;
};

}  // namespace rivera::base
