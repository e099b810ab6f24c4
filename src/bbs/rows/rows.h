// Records as rows of upstream's tables, both ways (docs/spec/bbs.md §6).
#pragma once

#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bbs/records/record_key.h"
#include "bbs/records/records.h"
#include "bbs/rows/column_cipher.h"
#include "sql/dialect.h"
#include "sql/value.h"

namespace rivera::bbs {

// The statements that make changes durable. Owns the values they refer to; movable, not copyable.
struct RowStatements {
  std::deque<std::string> texts;
  std::vector<sql::Statement> statements;
};

// The statements that insert or replace many rows of one table at once, which costs an engine far less per row.
class BulkUpsert {
 public:
  BulkUpsert(const sql::Dialect& dialect, std::string_view table, const std::vector<std::string>& key_columns,
             const std::vector<std::string>& other_columns);

  // Divides `values`, row by row, into statements of a few fixed sizes, so that each statement is prepared only once.
  void append_to(std::vector<sql::Statement>& statements, std::span<const sql::Parameter> values) const;

 private:
  std::size_t columns_;
  std::vector<std::string> texts_;  // for 64, 32, ..., 1 rows
};

// Turns changes into statements. The last of several changes of a record wins. Thread-safe.
class RowWriter {
 public:
  RowWriter(const ColumnCipher& cipher, const sql::Dialect& dialect);
  RowStatements statements_for(const std::vector<Change>& changes) const;

 private:
  class Builder;
  const ColumnCipher& cipher_;
  BulkUpsert actual_lrps_, desired_lrps_, tasks_, domains_;
};

// The SELECT of all rows of a table, for read_row(); and of the one row that a RecordKey's parts (key_values()) give.
const std::string& select_all(RecordKind kind);
const std::string& select_one(RecordKind kind);
// "DELETE FROM ... WHERE key = ?".
const std::string& delete_one(RecordKind kind);
std::vector<sql::Parameter> key_values(const RecordKey& key);

// A row as a creation, or the reason why it cannot be read; in the latter, is_lost is judged from this row alone.
using ReadRow = std::variant<Change, UnreadableRecord>;
ReadRow read_row(RecordKind kind, const sql::Row& row, const ColumnCipher& cipher);
// The label of the key that the row's first sealed column has been sealed with; "" if it has none.
std::string label_in(RecordKind kind, const sql::Row& row);

// True if every value of the records fits its column. A value that does not must never reach a transaction, because it
// would make the other changes in it fail.
bool fits_its_columns(const std::vector<Change>& changes);

}  // namespace rivera::bbs
