// The table of locks and presences (docs/spec/locket-and-auction.md §1.4, §1.6).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "locket/locks/lock_record.h"
#include "sql/database.h"

namespace rivera::locket {

struct LockOutcome {
  // The stored record; nullopt if another owner holds it.
  std::optional<LockRecord> record = {};
  bool inserted = false;
};

// `kAbsent`: there is no such row. `kCollision`: the row has another owner, or another state.
enum class ReleaseOutcome { kReleased, kAbsent, kCollision };

struct ReleaseResult {
  ReleaseOutcome outcome = ReleaseOutcome::kAbsent;
  std::string modified_id = {};  // of the row that was released
};

// Statements only: each function runs within its connection's transaction; those that write need a write transaction.
// All block and throw sql::Error. Immutable: may be used from any thread.
class LockStore {
 public:
  explicit LockStore(const sql::Dialect& dialect);

  void create_table(sql::Connection& connection) const;

  // Acquires or refreshes `wanted` (its index and id are ignored); `new_id` becomes the id of a new row.
  LockOutcome lock(sql::Connection& connection, const LockRecord& wanted, const std::string& new_id) const;
  ReleaseResult release(sql::Connection& connection, const std::string& key, const std::string& owner) const;
  // Deletes the row only if its state still equals `expired`.
  ReleaseOutcome release_expired(sql::Connection& connection, const LockRecord& expired) const;

  // nullopt if absent or free.
  std::optional<LockRecord> fetch(sql::Connection& connection, const std::string& key) const;
  // All rows of a type, without free ones.
  std::vector<LockRecord> fetch_all(sql::Connection& connection, std::string_view type) const;
  // All rows of every type, without free ones, and without values.
  std::vector<LockRecord> fetch_states(sql::Connection& connection) const;
  std::int64_t count(sql::Connection& connection, std::string_view type) const;

 private:
  std::optional<LockRecord> find_for_update(sql::Connection& connection, const std::string& key) const;

  sql::Dialect dialect_;
  std::string find_for_update_;
};

}  // namespace rivera::locket
