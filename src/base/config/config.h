// Configuration read by a table of keys, with errors a person can act on.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/config/config_key.h"

namespace rivera::base {

// One line: "<file>: <key>: <what was expected>".
class ConfigError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What is worth saying at start about a key that was set.
struct ConfigNotice {
  enum class Kind {
    kUnknown,   // not in the table: ignored, as upstream does
    kUnused,    // KeyEffect::kUnused
    kNotBuilt,  // KeyEffect::kNotBuilt
  };
  Kind kind = Kind::kUnknown;
  std::string key;  // "loggregator.loggregator_api_port"
  std::string reason;
};
using ConfigNotices = std::vector<ConfigNotice>;

// One object of a configuration with the values of its keys: those that are set, or the defaults of the table.
//
// The whole object is checked when it is read: types, ranges, keys that are refused. As in Go, null leaves a default,
// except that it empties a list, and of one key twice the last counts. Names and values of unknown keys have no effect.
// Asking for a key that is not in the table, or by another type, is a fault of the program: std::logic_error.
class ConfigFile {
 public:
  // A JSON file. Throws ConfigError if it cannot be read, is not a JSON object, or a value is wrong.
  static ConfigFile load(const std::string& path, const ConfigKeys& keys);
  // `name` begins each message: the path of the file.
  ConfigFile(std::string name, boost::json::object values, const ConfigKeys& keys,
             ConfigSource source = ConfigSource::kJson);

  // Whether it was set to a value other than null.
  bool has(std::string_view key) const;
  std::string text(std::string_view key) const;  // also of kTextOrNumber
  // Throws ConfigError if the text is empty.
  std::string required_text(std::string_view key) const;
  bool flag(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  std::chrono::nanoseconds duration(std::string_view key) const;  // also of kSeconds
  std::vector<std::string> texts(std::string_view key) const;
  std::map<std::string, std::string> text_map(std::string_view key) const;
  ConfigFile section(std::string_view key) const;
  std::vector<ConfigFile> sections(std::string_view key) const;

  // For integers whose range in the table fits `Number`.
  template <typename Number>
  Number count(std::string_view key) const {
    return static_cast<Number>(integer(key));
  }

  // Of this object and all sections, in the order of the file.
  const ConfigNotices& notices() const { return notices_; }
  // For rules of the caller's own: throws ConfigError("<file>: <key>: expected <expected>").
  [[noreturn]] void fail(std::string_view key, std::string_view expected) const;

 private:
  struct Unchecked {};
  ConfigFile(Unchecked, std::string name, boost::json::object values, std::shared_ptr<const ConfigKeys> keys,
             ConfigSource source, std::string prefix);
  void take(boost::json::object given);
  void take_value(const ConfigKey& key, boost::json::value& given);
  void note(const ConfigKey& key);
  const ConfigKey& key_of(std::string_view name, KeyType type, KeyType or_type) const;
  const ConfigKey* find_key(std::string_view name) const;
  const boost::json::value& value_of(const ConfigKey& key) const;

  std::string name_;
  boost::json::object values_;  // by the table's names, in normal form
  std::shared_ptr<const ConfigKeys> keys_;
  ConfigSource source_;
  std::string prefix_;  // "" or "loggregator." and so on
  ConfigNotices notices_;
};

// For "-check-config" of a file that is right: prints each notice to standard error, one a line, and returns the exit
// status 0.
int report_checked(const ConfigNotices& notices);

// "convergence_workers: unused: <reason>".
std::string to_text(const ConfigNotice& notice);

}  // namespace rivera::base
