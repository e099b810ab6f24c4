// Migrates any of upstream's databases to the version of schema.h (docs/spec/bbs.md §6.3).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "bbs/rows/column_cipher.h"

namespace rivera::sql {
class Connection;
class Database;
}  // namespace rivera::sql

namespace rivera::bbs {

// The database cannot be used by this version or with these keys; the text says why.
class UnusableDatabase : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The database's version; none: its tables have not been made. Throws UnusableDatabase if it cannot be read, or is not
// one that migrate() knows.
std::optional<std::int64_t> schema_version(sql::Connection& connection);

// One completed step.
struct MigrationProgress {
  std::int64_t version;
  std::string what;
  std::chrono::nanoseconds took;
};

// Executes every step that the database lacks, each in its own transaction together with its version, so that nothing
// is lost if the process ends in between: the next call continues. If the engine commits each change of a table
// separately (MySQL), an interrupted step is repeated as a whole; steps are idempotent. A database without a version
// gets the tables of the present version.
//
// `fence` runs first in each transaction and throws if another BBS is active. `report` is called after each step. Both
// may be empty. Throws UnusableDatabase, sql::Error and what `fence` throws. Blocks.
void migrate(sql::Database& database, const ColumnCipher& cipher, const std::function<void(sql::Connection&)>& fence,
             const std::function<void(const MigrationProgress&)>& report);

}  // namespace rivera::bbs
