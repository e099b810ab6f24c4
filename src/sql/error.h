// What goes wrong with a database, in classes that callers can act on.
#pragma once

#include <stdexcept>
#include <string>

namespace rivera::sql {

enum class ErrorClass {
  kDuplicateKey,  // a unique or primary key exists already
  kNotFound,      // a row that had to exist does not
  kDeadlock,      // the engine chose to end this transaction, or a lock could not be had in time: run it again
  kTooLong,       // a value does not fit its column
  kMissingTable,  // the schema is not there: nothing will work
  kConnection,    // the server cannot be reached or went away: run it again on another connection
  kDiskFull,      // nothing can be written until there is room
  kTimeout,       // the operation's own deadline passed
  kOther,
};

// "duplicate key", "disk full" and so on.
const char* to_string(ErrorClass error_class);

// The text never holds parameter values, passwords or connection strings.
class Error : public std::runtime_error {
 public:
  Error(ErrorClass error_class, std::string native_code, const std::string& message)
      : std::runtime_error(message), class_(error_class), native_code_(std::move(native_code)) {}

  ErrorClass error_class() const { return class_; }
  // The engine's own code: SQLite's extended result code, PostgreSQL's SQLSTATE, MySQL's error number.
  const std::string& native_code() const { return native_code_; }
  // Running the whole transaction again may succeed.
  bool is_transient() const { return class_ == ErrorClass::kDeadlock || class_ == ErrorClass::kConnection; }

 private:
  ErrorClass class_;
  std::string native_code_;
};

}  // namespace rivera::sql
