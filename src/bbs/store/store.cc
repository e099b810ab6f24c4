#include "bbs/store/store.h"

#include <fmt/format.h>

#include "base/ids.h"
#include "bbs/rows/configurations.h"
#include "bbs/rows/schema.h"

namespace rivera::bbs {
namespace {

constexpr const char* kOtherIsActive = "another BBS has become active";

}  // namespace

Store::Store(sql::Database& database, const ColumnCipher& cipher)
    : database_(database),
      cipher_(cipher),
      writer_(cipher, database.dialect()),
      term_(base::new_guid()),
      holds_term_(
          fmt::format("SELECT 1 FROM configurations WHERE id = ? AND value = ?{}", database.dialect().for_update())) {}

void Store::open() {
  sql::Connection connection = database_.connect();
  create_configurations_table(connection);
}

void Store::become_active(const std::function<void(const MigrationProgress&)>& report) {
  database_.transact(sql::TransactionMode::kWrite, [this](sql::Connection& connection) {
    schema_version(connection);
    check_key_label(connection);
    set_configuration(connection, kTermKey, term_);
  });
  migrate(
      database_, cipher_, [this](sql::Connection& connection) { fence(connection); }, report);
}

void Store::check_key_label(sql::Connection& connection) {
  const auto label = configuration(connection, kLabelKey);
  if (label && !cipher_.knows(*label)) {
    throw UnusableDatabase("the database's records are encrypted with the key '" + *label +
                           "', which is not among encryption_keys");
  }
}

void Store::fence(sql::Connection& connection) const {
  const auto term = configuration(connection, kTermKey, connection.dialect().for_update());
  if (term != term_) throw TermEnded(kOtherIsActive);
}

void Store::remove(const std::vector<RecordKey>& keys) {
  if (keys.empty()) return;
  database_.transact(sql::TransactionMode::kWrite, [&](sql::Connection& connection) {
    fence(connection);
    std::vector<sql::Statement> statements;
    for (const RecordKey& key : keys) statements.push_back({delete_one(key.kind), key_values(key)});
    connection.execute_batch(statements);
  });
}

bool Store::is_active() {
  sql::Connection connection = database_.connect();
  return configuration(connection, kTermKey) == term_;
}

void Store::write(const std::vector<Change>& changes) {
  const RowStatements rows = writer_.statements_for(changes);
  const sql::Statement guard{holds_term_, {kTermKey, term_}};
  if (!database_.transact_if(guard, rows.statements)) throw TermEnded(kOtherIsActive);
}

}  // namespace rivera::bbs
