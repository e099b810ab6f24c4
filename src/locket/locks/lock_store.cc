#include "locket/locks/lock_store.h"

#include <fmt/format.h>

#define LOCK_COLUMNS "path, owner, value, type, modified_index, modified_id, ttl"

namespace rivera::locket {
namespace {

LockRecord read_record(const sql::Row& row) {
  return {.key = std::string(row.text(0)),
          .owner = std::string(row.text(1)),
          .value = std::string(row.text(2)),
          .type = std::string(row.text(3)),
          .modified_index = row.integer(4),
          .modified_id = std::string(row.text(5)),
          .ttl_seconds = row.integer(6)};
}

constexpr std::string_view kInsert = "INSERT INTO locks (" LOCK_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view kUpdate =
    "UPDATE locks SET owner = ?, value = ?, type = ?, modified_index = ?, modified_id = ?, ttl = ? WHERE path = ?";
constexpr std::string_view kDelete = "DELETE FROM locks WHERE path = ?";
constexpr std::string_view kFetch = "SELECT " LOCK_COLUMNS " FROM locks WHERE path = ?";
constexpr std::string_view kFetchStates =
    "SELECT path, owner, '', type, modified_index, modified_id, ttl FROM locks WHERE owner <> ''";
constexpr std::string_view kFetchAllOfType = "SELECT " LOCK_COLUMNS " FROM locks WHERE owner <> '' AND type = ?";
constexpr std::string_view kCount = "SELECT COUNT(*) FROM locks WHERE owner <> '' AND type = ?";

}  // namespace

LockStore::LockStore(const sql::Dialect& dialect)
    : dialect_(dialect), find_for_update_(std::string(kFetch) + std::string(dialect.for_update())) {}

void LockStore::create_table(sql::Connection& connection) const {
  connection.execute_script(fmt::format(
      "CREATE TABLE IF NOT EXISTS locks ({} PRIMARY KEY, {}, {}, {} DEFAULT '', modified_index BIGINT DEFAULT 0, "
      "{} DEFAULT '', ttl BIGINT DEFAULT 0)",
      dialect_.varchar("path", 255), dialect_.varchar("owner", 255), dialect_.varchar("value", 4096),
      dialect_.varchar("type", 255), dialect_.varchar("modified_id", 255)));
}

std::optional<LockRecord> LockStore::find_for_update(sql::Connection& connection, const std::string& key) const {
  std::optional<LockRecord> found;
  connection.query_one(find_for_update_, {key}, [&](const sql::Row& row) { found = read_record(row); });
  return found;
}

LockOutcome LockStore::lock(sql::Connection& connection, const LockRecord& wanted, const std::string& new_id) const {
  const auto stored = find_for_update(connection, wanted.key);
  if (stored && !stored->owner.empty() && stored->owner != wanted.owner) return {};

  LockOutcome outcome{.record = wanted, .inserted = !stored};
  LockRecord& record = *outcome.record;
  record.modified_index = stored ? stored->modified_index + 1 : 1;
  record.modified_id = stored && !stored->modified_id.empty() ? stored->modified_id : new_id;
  if (stored) {
    connection.execute(kUpdate, {record.owner, record.value, record.type, record.modified_index, record.modified_id,
                                 record.ttl_seconds, record.key});
  } else {
    connection.execute(kInsert, {record.key, record.owner, record.value, record.type, record.modified_index,
                                 record.modified_id, record.ttl_seconds});
  }
  return outcome;
}

ReleaseResult LockStore::release(sql::Connection& connection, const std::string& key, const std::string& owner) const {
  const auto stored = find_for_update(connection, key);
  if (!stored) return {};
  if (stored->owner != owner) return {.outcome = ReleaseOutcome::kCollision};
  connection.execute(kDelete, {key});
  return {ReleaseOutcome::kReleased, stored->modified_id};
}

ReleaseOutcome LockStore::release_expired(sql::Connection& connection, const LockRecord& expired) const {
  const auto stored = find_for_update(connection, expired.key);
  if (!stored) return ReleaseOutcome::kAbsent;
  const bool is_the_same = stored->owner == expired.owner && stored->modified_id == expired.modified_id &&
                           stored->modified_index == expired.modified_index;
  if (!is_the_same) return ReleaseOutcome::kCollision;
  connection.execute(kDelete, {expired.key});
  return ReleaseOutcome::kReleased;
}

std::optional<LockRecord> LockStore::fetch(sql::Connection& connection, const std::string& key) const {
  std::optional<LockRecord> found;
  connection.query_one(kFetch, {key}, [&](const sql::Row& row) { found = read_record(row); });
  if (found && found->owner.empty()) found.reset();
  return found;
}

std::vector<LockRecord> LockStore::fetch_all(sql::Connection& connection, std::string_view type) const {
  std::vector<LockRecord> records;
  connection.query(kFetchAllOfType, {type}, [&](const sql::Row& row) { records.push_back(read_record(row)); });
  return records;
}

std::vector<LockRecord> LockStore::fetch_states(sql::Connection& connection) const {
  std::vector<LockRecord> records;
  connection.query(kFetchStates, {}, [&](const sql::Row& row) { records.push_back(read_record(row)); });
  return records;
}

std::int64_t LockStore::count(sql::Connection& connection, std::string_view type) const {
  std::int64_t rows = 0;
  connection.query(kCount, {type}, [&](const sql::Row& row) { rows = row.integer(0); });
  return rows;
}

}  // namespace rivera::locket
