#include "sql/database_config.h"

#include "base/config/config.h"

namespace rivera::sql {
namespace {

// What upstream's "0 = unlimited" becomes: enough for any load, and not a way to exhaust the server.
constexpr std::int64_t kMostConnections = 200;

Engine read_engine(const base::ConfigFile& config) {
  const std::string name = config.text("database_driver", "sqlite3");
  if (name == "sqlite3" || name == "sqlite") return Engine::kSqlite;
  if (name == "postgres") return Engine::kPostgres;
  if (name == "mysql") return Engine::kMysql;
  config.fail("database_driver", "sqlite3, postgres or mysql");
}

std::chrono::nanoseconds positive_duration(const base::ConfigFile& config, std::string_view key,
                                           std::chrono::nanoseconds fallback) {
  const auto value = config.duration(key, std::chrono::nanoseconds(0));
  if (value.count() < 0) config.fail(key, "a duration that is not negative");
  return value.count() == 0 ? fallback : value;
}

}  // namespace

DatabaseConfig read_database_config(const base::ConfigFile& config) {
  DatabaseConfig result;
  result.engine = read_engine(config);
  result.connection_string = config.required_text("database_connection_string");
  if (config.flag("sql_require_ssl", true)) result.ca_cert_file = config.text("sql_ca_cert_file");
  result.verify_identity = config.flag("sql_enable_identity_verification");

  const auto connections = config.integer("max_open_database_connections", 0);
  if (connections < 0) config.fail("max_open_database_connections", "a number that is not negative");
  result.max_open_connections = static_cast<std::size_t>(connections == 0 ? kMostConnections : connections);
  const auto idle = config.integer("max_idle_database_connections", 0);
  if (idle < 0) config.fail("max_idle_database_connections", "a number that is not negative");
  result.max_idle_connections = idle == 0 ? result.max_open_connections : static_cast<std::size_t>(idle);
  result.max_connection_lifetime = positive_duration(config, "max_database_connection_lifetime", {});
  result.connection_timeout = positive_duration(config, "db_connection_timeout", result.connection_timeout);
  result.read_timeout = positive_duration(config, "db_read_timeout", result.read_timeout);
  result.write_timeout = positive_duration(config, "db_write_timeout", result.write_timeout);
  result.operation_timeout = positive_duration(config, "db_operation_timeout", result.operation_timeout);
  return result;
}

}  // namespace rivera::sql
