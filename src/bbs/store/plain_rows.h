// Reads the columns that are not encrypted, a page of rows at a time, to find what other writers have changed
// (docs/spec/bbs.md §9.5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bbs/records/record.h"
#include "bbs/records/record_key.h"
#include "bbs/store/table_pages.h"
#include "sql/value.h"

namespace rivera::sql {
class Database;
}

namespace rivera::bbs {

// What the plain columns of a record's row hold, except large ones such as a task's result, as one number: where the
// numbers are equal, so are the columns.
std::uint64_t digest_of(const DomainRecord& record);
std::uint64_t digest_of(const TaskRecord& record);
std::uint64_t digest_of(const DesiredLRPRecord& record);
std::uint64_t digest_of(const ActualLRPRecord& record);
// The same of a row of plain_columns(), behind its key.
std::uint64_t digest_of(RecordKind kind, const sql::Row& row);

// The name of the table, and its plain columns behind those of its key.
std::string table_of(RecordKind kind);
std::vector<std::string> plain_columns(RecordKind kind);

struct PlainRow {
  RecordKey key;
  std::uint64_t digest = 0;
};

// A walk over all rows of all tables. A row that exists from its begin to its end is visited once. Not thread-safe.
class PlainRows {
 public:
  explicit PlainRows(sql::Database& database) : database_(database) {}

  // Reads the next page; empty at the end. Blocks. Throws sql::Error, and then reads this page again.
  std::vector<PlainRow> next();

 private:
  sql::Database& database_;
  std::size_t kind_ = 0;
  std::optional<TablePages> pages_;
};

}  // namespace rivera::bbs
