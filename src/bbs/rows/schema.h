// The BBS's tables: upstream's names, columns and keys (docs/spec/bbs.md §6.1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sql/dialect.h"

namespace rivera::sql {
class Connection;
}

namespace rivera::bbs {

// The version of upstream's migrations that the tables below correspond to (§6.3).
inline constexpr std::int64_t kSchemaVersion = 1772581987;

enum class ColumnType {
  kName,          // VARCHAR(255)
  kLine,          // VARCHAR(1024)
  kShortText,     // TEXT
  kText,          // LONGTEXT
  kSealed,        // LONGTEXT, encrypted (column_cipher.h)
  kMediumSealed,  // MEDIUMTEXT, encrypted
  kInteger,       // INT
  kTime,          // BIGINT, ns
  kBoolean,
  kCounter,  // an integer primary key that increments automatically
};

// True for columns that hold ciphertext.
constexpr bool is_sealed(ColumnType type) { return type == ColumnType::kSealed || type == ColumnType::kMediumSealed; }

struct Column {
  std::string name;
  ColumnType type;
  std::string constraint;  // "NOT NULL DEFAULT 0", in the engine's SQL; "" = NULL is allowed
};

struct Table {
  std::string name;
  std::vector<Column> columns;
  std::vector<std::string> key;      // the primary key's columns; none if a column is a kCounter
  std::vector<std::string> indices;  // columns with a secondary index

  // Throws std::logic_error if there is none of that name.
  const Column& column(std::string_view name) const;
};

// All tables except configurations, in the order in which they are made.
std::vector<Table> tables(const sql::Dialect& dialect);
// One of them. Throws std::logic_error if there is none of that name.
Table table(const sql::Dialect& dialect, std::string_view name);

// "since BIGINT DEFAULT 0": a column as CREATE TABLE and ALTER TABLE take it.
std::string definition_of(const Column& column, const sql::Dialect& dialect);
std::string type_of(const Column& column, const sql::Dialect& dialect);

// The table that holds version and key label; created at every start, if absent.
void create_configurations_table(sql::Connection& connection);

void create_table(sql::Connection& connection, const Table& table);
// All other tables with their indices, in a database that has none of them.
void create_tables(sql::Connection& connection);

}  // namespace rivera::bbs
