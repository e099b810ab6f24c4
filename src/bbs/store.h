// The BBS's records in SQL: loading them all, and writing what changed.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bbs/column_cipher.h"
#include "bbs/rows.h"
#include "sql/database.h"

namespace rivera::bbs {

// Another BBS has become the active one: this one must not write any more.
class TermEnded : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The database cannot be used by this version or with these keys; the text says why.
class UnusableDatabase : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Blocks: every call belongs on a base::WorkerPool. Throws sql::Error besides what is said. Thread-safe.
class Store {
 public:
  Store(sql::Database& database, const ColumnCipher& cipher);

  // Before the lock is held: the database answers, and its table of versions exists. Changes nothing else.
  void open();

  // With the lock held: makes the tables, and begins a term: from now on, whoever began an earlier one cannot write.
  // Throws UnusableDatabase if a newer version made the tables or the key they need is missing.
  void become_active();

  struct LoadResult {
    std::vector<Change> records;  // every row, as a creation
    std::size_t undecodable = 0;  // rows left out
  };
  LoadResult load();

  // Makes the changes durable, all or none; safe to repeat. Throws TermEnded.
  void write(const std::vector<Change>& changes);

  // Does not block, unlike the rest. Makes a write() end whose server has said nothing for `silence`: with an error of
  // class kConnection.
  void cut_silent_connections(std::chrono::nanoseconds silence) { database_.cut_silent_connections(silence); }

 private:
  void check_version(sql::Connection& connection);
  void check_key_label(sql::Connection& connection);

  sql::Database& database_;
  const ColumnCipher& cipher_;
  RowWriter writer_;
  std::string term_;  // our own id, written by become_active()
};

}  // namespace rivera::bbs
