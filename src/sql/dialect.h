// Where the engines' languages differ.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sql/database_config.h"

namespace rivera::sql {

// A value; ask it while building the texts of a store, once.
class Dialect {
 public:
  explicit Dialect(Engine engine) : engine_(engine) {}
  Engine engine() const { return engine_; }

  // Appended to a SELECT inside a write transaction: " FOR UPDATE", or "" where the transaction itself is the lock.
  std::string_view for_update() const;
  // An INSERT of so many rows that replaces the other columns where a row with these key columns exists. Every column
  // gets a "?", row by row; no two rows may have the same key.
  std::string upsert(std::string_view table, const std::vector<std::string>& key_columns,
                     const std::vector<std::string>& other_columns, std::size_t rows = 1) const;
  // "?, ?, ?"
  static std::string placeholders(std::size_t count);

  // A text column of at most `length` characters: "owner VARCHAR(255)", enforced by a CHECK where the engine itself
  // does not.
  std::string varchar(std::string_view column, int length) const;
  // Column types, as upstream's schemas use them (docs/spec/bbs.md §6).
  std::string_view long_text() const;       // LONGTEXT, or TEXT
  std::string_view medium_text() const;     // MEDIUMTEXT, or TEXT
  std::string_view blob() const;            // binary: BLOB, BYTEA, LONGBLOB
  std::string_view boolean() const;         // "BOOL"
  std::string_view auto_increment() const;  // an integer primary key that counts by itself

  // A table's columns, in order; used with Connection::query, which gives (name). One "?": the table's name.
  std::string_view columns_of_table_query() const;

 private:
  Engine engine_;
};

// "?" outside quotes to the engine's own placeholders ("$1" for PostgreSQL; others stay as they are).
std::string translate_placeholders(std::string_view sql, Engine engine);

}  // namespace rivera::sql
