// The BBS's records in SQL: loading them all, and writing what changed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "bbs/rows/column_cipher.h"
#include "bbs/rows/rows.h"
#include "bbs/store/migrations.h"
#include "sql/database.h"

namespace rivera::bbs {

// Another BBS has become the active one: this one must not write any more.
class TermEnded : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Blocks: every call belongs on a base::WorkerPool. Throws sql::Error besides what is said. Thread-safe unless a call
// says otherwise.
class Store {
 public:
  Store(sql::Database& database, const ColumnCipher& cipher);

  // Before the lock is held: the database answers, and its table of versions exists. Changes nothing else.
  void open();

  // With the lock held: begins a term, so that whoever began an earlier one cannot write any more, and brings the
  // tables to the present version; `report` hears of each step. Throws UnusableDatabase if a newer version made the
  // tables or the key they need is missing; nothing has been changed then.
  void become_active(const std::function<void(const MigrationProgress&)>& report = {});

  struct LoadResult {
    std::vector<Change> records;  // every row, as a creation
    std::vector<UnreadableRecord> unreadable;
  };
  // Every row that can be read, and the others. One consistent state. Decrypts on every core; the memory beyond the
  // result is that of a few thousand rows. Not at the same time as itself, read() or find_differences().
  LoadResult load();

  // Whether the term that become_active() began is still the latest.
  bool is_active();

  // Makes the changes durable, all or none; safe to repeat. Throws TermEnded.
  void write(const std::vector<Change>& changes);

  // The rows with these keys, as load() gives them; keys without a row are left out. One consistent state.
  LoadResult read(const std::vector<RecordKey>& keys);

  // The keys of rows that are not as `known` has them, and of records in it that have no row: what somebody else may
  // have written (docs/spec/bbs.md §9.5). Compares the columns that are not encrypted, those of the size of a task's
  // result excepted. Reads every row, but no more than that of it.
  std::vector<RecordKey> find_differences(const RecordList& known);

  // Deletes the rows of these keys. Throws TermEnded.
  void remove(const std::vector<RecordKey>& keys);

  // For transactions that write without write(): throws TermEnded, or keeps others from beginning a term until the
  // transaction is over. First in the transaction.
  void fence(sql::Connection& connection) const;

  sql::Database& database() const { return database_; }
  const ColumnCipher& cipher() const { return cipher_; }

  // Does not block, unlike the rest. Makes a write() end whose server has said nothing for `silence`: with an error of
  // class kConnection.
  void cut_silent_connections(std::chrono::nanoseconds silence) { database_.cut_silent_connections(silence); }

 private:
  void check_key_label(sql::Connection& connection);
  // Takes back is_lost where it is not known that every key is configured.
  void spare_what_may_be_readable(std::vector<UnreadableRecord>& unreadable) const;

  sql::Database& database_;
  const ColumnCipher& cipher_;
  RowWriter writer_;
  std::string term_;              // our own id, written by become_active()
  const std::string holds_term_;  // a SELECT that finds our term, and keeps it
  // Keys that have opened a column since load().
  std::set<std::string> proven_labels_;
};

}  // namespace rivera::bbs
