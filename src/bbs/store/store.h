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

// Another BBS has become active: this one must not write.
class TermEnded : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Blocks: make every call on a base::WorkerPool. All throw sql::Error in addition to what is documented. Thread-safe
// except where noted.
class Store {
 public:
  Store(sql::Database& database, const ColumnCipher& cipher);

  // To be called before the lock is held. Checks that the database answers and creates the table of versions if it is
  // absent; changes nothing else.
  void open();

  // To be called with the lock held. Begins a term, which prevents every BBS of an earlier term from writing, and
  // migrates the tables; `report` is called after each step. Throws UnusableDatabase, without having changed anything,
  // if the tables are of a newer version or the key they need is missing.
  void become_active(const std::function<void(const MigrationProgress&)>& report = {});

  struct LoadResult {
    std::vector<Change> records;  // every row, as a creation
    std::vector<UnreadableRecord> unreadable;
  };
  // Reads every row, in one consistent state: the records, and the keys of rows that cannot be read. Decrypts on every
  // core. Needs memory for a few thousand rows besides the result. Must not run concurrently with itself, read() or
  // find_differences().
  LoadResult load();

  // True if the term that become_active() began is still the latest.
  bool is_active();

  // Makes the changes durable, all or none; safe to repeat. Throws TermEnded.
  void write(const std::vector<Change>& changes);

  // The rows with these keys, as load() gives them; keys without a row are left out. One consistent state.
  LoadResult read(const std::vector<RecordKey>& keys);

  // The keys of rows that differ from `known`, and of records in it that have no row: what another writer may have
  // changed (docs/spec/bbs.md §9.5). Compares the unencrypted columns, except large ones such as a task's result. Reads
  // these columns of every row.
  std::vector<RecordKey> find_differences(const RecordList& known);

  // Deletes the rows of these keys. Throws TermEnded.
  void remove(const std::vector<RecordKey>& keys);

  // The first statement of transactions that write without write(): throws TermEnded, or prevents others from beginning
  // a term until the transaction ends.
  void fence(sql::Connection& connection) const;

  sql::Database& database() const { return database_; }
  const ColumnCipher& cipher() const { return cipher_; }

  // Does not block, unlike the rest. Makes a write() whose server has been silent for `silence` fail with an error of
  // class kConnection.
  void cut_silent_connections(std::chrono::nanoseconds silence) { database_.cut_silent_connections(silence); }

 private:
  void check_key_label(sql::Connection& connection);
  // Clears is_lost if some key may be missing from the configuration.
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
