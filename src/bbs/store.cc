#include "bbs/store.h"

#include <optional>

#include <boost/json.hpp>

#include "base/ids.h"
#include "bbs/schema.h"

namespace rivera::bbs {
namespace {

constexpr const char* kVersionKey = "version";
constexpr const char* kLabelKey = "encryption_key_label";
// Ours; upstream does not look at it.
constexpr const char* kTermKey = "rivera_active_term";

std::optional<std::string> configuration(sql::Connection& connection, const char* id, std::string_view suffix = "") {
  std::optional<std::string> value;
  const std::string query = "SELECT value FROM configurations WHERE id = ?" + std::string(suffix);
  connection.query_one(query, {id}, [&value](const sql::Row& row) { value = std::string(row.text(0)); });
  return value;
}

void set_configuration(sql::Connection& connection, const char* id, const std::string& value) {
  connection.execute(connection.dialect().upsert("configurations", {"id"}, {"value"}), {id, value});
}

}  // namespace

Store::Store(sql::Database& database, const ColumnCipher& cipher)
    : database_(database), cipher_(cipher), writer_(cipher, database.dialect()), term_(base::new_guid()) {}

void Store::open() {
  sql::Connection connection = database_.connect();
  create_configurations_table(connection);
}

void Store::become_active() {
  database_.transact(sql::TransactionMode::kWrite, [this](sql::Connection& connection) {
    check_version(connection);
    check_key_label(connection);
    set_configuration(connection, kTermKey, term_);
  });
}

void Store::check_version(sql::Connection& connection) {
  const auto text = configuration(connection, kVersionKey);
  if (!text) {
    create_tables(connection);
    set_configuration(connection, kVersionKey, "{\"CurrentVersion\":" + std::to_string(kSchemaVersion) + "}");
    return;
  }
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(*text, error);
  const boost::json::value* version =
      !error && value.is_object() ? value.get_object().if_contains("CurrentVersion") : nullptr;
  if (!version || !version->is_int64()) throw UnusableDatabase("the database's version cannot be read: " + *text);
  if (version->get_int64() != kSchemaVersion) {
    throw UnusableDatabase("the database has version " + std::to_string(version->get_int64()) + ", this BBS needs " +
                           std::to_string(kSchemaVersion));
  }
}

void Store::check_key_label(sql::Connection& connection) {
  const auto label = configuration(connection, kLabelKey);
  if (label && !cipher_.knows(*label)) {
    throw UnusableDatabase("the database's records are encrypted with the key '" + *label +
                           "', which is not among encryption_keys");
  }
  if (!label) set_configuration(connection, kLabelKey, cipher_.active_label());
}

Store::LoadResult Store::load() {
  LoadResult result;
  sql::Connection connection = database_.connect();
  sql::Transaction transaction = connection.begin(sql::TransactionMode::kRead);
  const auto read_all = [&](const char* query, auto read) {
    connection.query(query, {}, [&](const sql::Row& row) {
      try {
        result.records.push_back(read(row));
      } catch (const UndecodableColumn&) {
        ++result.undecodable;
      }
    });
  };
  read_all(kSelectDomains, [](const sql::Row& row) { return Swap<DomainRecord>{nullptr, read_domain(row)}; });
  read_all(kSelectTasks, [this](const sql::Row& row) { return Swap<TaskRecord>{nullptr, read_task(row, cipher_)}; });
  read_all(kSelectDesiredLRPs, [this](const sql::Row& row) {
    return Swap<DesiredLRPRecord>{nullptr, read_desired_lrp(row, cipher_)};
  });
  read_all(kSelectActualLRPs, [this](const sql::Row& row) {
    return Swap<ActualLRPRecord>{nullptr, read_actual_lrp(row, cipher_)};
  });
  transaction.commit();
  return result;
}

bool Store::is_active() {
  sql::Connection connection = database_.connect();
  return configuration(connection, kTermKey) == term_;
}

void Store::write(const std::vector<Change>& changes) {
  const RowStatements rows = writer_.statements_for(changes);
  database_.transact(sql::TransactionMode::kWrite, [&](sql::Connection& connection) {
    const auto term = configuration(connection, kTermKey, connection.dialect().for_update());
    if (term != term_) throw TermEnded("another BBS has become active");
    connection.execute_batch(rows.statements);
  });
}

}  // namespace rivera::bbs
