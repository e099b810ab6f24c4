// Configuration files in JSON, with errors a person can act on.
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace rivera::base {

// One line: "<file>: <key>: <what was expected>".
class ConfigError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Typed access to one JSON object of a configuration file. A missing key (or null) gives the fallback; a value of the
// wrong type throws ConfigError with file and key. Keys match exactly. Unknown keys are ignored, as upstream does.
class ConfigFile {
 public:
  // Throws ConfigError if the file cannot be read or is not a JSON object.
  static ConfigFile load(const std::string& path);
  ConfigFile(std::string name, boost::json::object values, std::string key_prefix = "");

  bool has(std::string_view key) const;
  std::string text(std::string_view key, std::string fallback = "") const;
  // Throws if the key is missing or the value is empty.
  std::string required_text(std::string_view key) const;
  bool flag(std::string_view key, bool fallback = false) const;
  std::int64_t integer(std::string_view key, std::int64_t fallback = 0) const;
  double number(std::string_view key, double fallback = 0) const;
  // A Go duration string ("30s"), or a number of nanoseconds.
  std::chrono::nanoseconds duration(std::string_view key, std::chrono::nanoseconds fallback) const;
  std::vector<std::string> texts(std::string_view key) const;
  // A nested object; an empty one if missing.
  ConfigFile section(std::string_view key) const;
  std::vector<ConfigFile> sections(std::string_view key) const;

  const boost::json::object& values() const { return values_; }
  // For rules of the caller's own: throws ConfigError("<file>: <key>: expected <expected>").
  [[noreturn]] void fail(std::string_view key, std::string_view expected) const;

 private:
  const boost::json::value* find(std::string_view key) const;

  std::string name_;
  boost::json::object values_;
  std::string prefix_;  // "" or "advertise." and so on
};

}  // namespace rivera::base
