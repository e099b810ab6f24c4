#include "sql/dialect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sql/error.h"

namespace rivera::sql {

const char* to_string(Engine engine) {
  switch (engine) {
    case Engine::kSqlite:
      return "sqlite3";
    case Engine::kPostgres:
      return "postgres";
    case Engine::kMysql:
      return "mysql";
  }
  return "";
}

const char* to_string(ErrorClass error_class) {
  switch (error_class) {
    case ErrorClass::kDuplicateKey:
      return "duplicate key";
    case ErrorClass::kNotFound:
      return "not found";
    case ErrorClass::kDeadlock:
      return "deadlock";
    case ErrorClass::kTooLong:
      return "too long";
    case ErrorClass::kMissingTable:
      return "missing table";
    case ErrorClass::kConnection:
      return "connection";
    case ErrorClass::kDiskFull:
      return "disk full";
    case ErrorClass::kTimeout:
      return "timeout";
    case ErrorClass::kOther:
      return "other";
  }
  return "";
}

std::string_view Dialect::for_update() const { return engine_ == Engine::kSqlite ? "" : " FOR UPDATE"; }

std::string Dialect::placeholders(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += i == 0 ? "?" : ", ?";
  return text;
}

std::string Dialect::upsert(std::string_view table, const std::vector<std::string>& key_columns,
                            const std::vector<std::string>& other_columns, std::size_t rows) const {
  std::vector<std::string> columns = key_columns;
  columns.insert(columns.end(), other_columns.begin(), other_columns.end());
  std::vector<std::string> updates;
  for (const auto& column : other_columns) {
    updates.push_back(engine_ == Engine::kMysql ? fmt::format("{0} = VALUES({0})", column)
                                                : fmt::format("{0} = excluded.{0}", column));
  }
  const std::vector<std::string> values(rows, "(" + placeholders(columns.size()) + ")");
  std::string text =
      fmt::format("INSERT INTO {} ({}) VALUES {}", table, fmt::join(columns, ", "), fmt::join(values, ", "));
  if (engine_ == Engine::kMysql) {
    // Without other columns a no-op assignment stands for "do nothing".
    if (updates.empty()) updates.push_back(fmt::format("{0} = {0}", key_columns.front()));
    return text + fmt::format(" ON DUPLICATE KEY UPDATE {}", fmt::join(updates, ", "));
  }
  text += fmt::format(" ON CONFLICT ({}) DO ", fmt::join(key_columns, ", "));
  return text + (updates.empty() ? std::string("NOTHING") : fmt::format("UPDATE SET {}", fmt::join(updates, ", ")));
}

std::string Dialect::varchar(std::string_view column, int length) const {
  if (engine_ == Engine::kSqlite) return fmt::format("{0} VARCHAR({1}) CHECK (length({0}) <= {1})", column, length);
  return fmt::format("{} VARCHAR({})", column, length);
}

std::string_view Dialect::long_text() const { return engine_ == Engine::kMysql ? "LONGTEXT" : "TEXT"; }

std::string_view Dialect::medium_text() const { return engine_ == Engine::kMysql ? "MEDIUMTEXT" : "TEXT"; }

std::string_view Dialect::blob() const {
  switch (engine_) {
    case Engine::kSqlite:
      return "BLOB";
    case Engine::kPostgres:
      return "BYTEA";
    case Engine::kMysql:
      return "LONGBLOB";
  }
  return "";
}

std::string_view Dialect::boolean() const { return "BOOL"; }

std::string_view Dialect::auto_increment() const {
  switch (engine_) {
    case Engine::kSqlite:
      return "INTEGER PRIMARY KEY AUTOINCREMENT";
    case Engine::kPostgres:
      return "SERIAL PRIMARY KEY";
    case Engine::kMysql:
      return "INTEGER AUTO_INCREMENT PRIMARY KEY";
  }
  return "";
}

std::string_view Dialect::columns_of_table_query() const {
  switch (engine_) {
    case Engine::kSqlite:
      return "SELECT name FROM pragma_table_info(?) ORDER BY cid";
    case Engine::kPostgres:
      return "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() "
             "AND table_name = ? ORDER BY ordinal_position";
    case Engine::kMysql:
      return "SELECT column_name FROM information_schema.columns WHERE table_schema = database() "
             "AND table_name = ? ORDER BY ordinal_position";
  }
  return "";
}

std::string translate_placeholders(std::string_view sql, Engine engine) {
  if (engine != Engine::kPostgres) return std::string(sql);
  std::string translated;
  translated.reserve(sql.size() + 16);
  char quote = 0;
  int count = 0;
  for (const char c : sql) {
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '?') {
      translated += fmt::format("${}", ++count);
      continue;
    }
    translated += c;
  }
  return translated;
}

}  // namespace rivera::sql
