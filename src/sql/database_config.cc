#include "sql/database_config.h"

#include "base/config/config.h"

namespace rivera::sql {
namespace {

// What upstream's "0 = unlimited" becomes: enough for any load, and not a way to exhaust the server.
constexpr std::int64_t kMostConnections = 200;

Engine read_engine(const base::ConfigFile& config) {
  const std::string name = config.text("database_driver");
  if (name == "postgres") return Engine::kPostgres;
  return name == "mysql" ? Engine::kMysql : Engine::kSqlite;
}

}  // namespace

base::ConfigKeys database_keys() {
  using namespace base;
  const DatabaseConfig defaults;
  return {
      text_key("database_driver", "sqlite3").one_of({"sqlite3", "sqlite", "postgres", "mysql"}).with_zero_as_default(),
      text_key("database_connection_string"),
      integer_key("max_open_database_connections", kMostConnections).positive().with_zero_as_default(),
      integer_key("max_idle_database_connections").not_negative(),
      duration_key("max_database_connection_lifetime").not_negative(),
      text_key("sql_ca_cert_file"),
      flag_key("sql_require_ssl", true),
      flag_key("sql_enable_identity_verification"),
      duration_key("db_connection_timeout", defaults.connection_timeout).positive().with_zero_as_default(),
      duration_key("db_read_timeout", defaults.read_timeout).positive().with_zero_as_default(),
      duration_key("db_write_timeout", defaults.write_timeout).positive().with_zero_as_default(),
      duration_key("db_operation_timeout", defaults.operation_timeout).positive().with_zero_as_default(),
  };
}

DatabaseConfig read_database_config(const base::ConfigFile& config) {
  DatabaseConfig result;
  result.engine = read_engine(config);
  result.connection_string = config.required_text("database_connection_string");
  if (config.flag("sql_require_ssl")) result.ca_cert_file = config.text("sql_ca_cert_file");
  result.verify_identity = config.flag("sql_enable_identity_verification");
  result.max_open_connections = config.count<std::size_t>("max_open_database_connections");
  const auto idle = config.count<std::size_t>("max_idle_database_connections");
  result.max_idle_connections = idle == 0 ? result.max_open_connections : idle;
  result.max_connection_lifetime = config.duration("max_database_connection_lifetime");
  result.connection_timeout = config.duration("db_connection_timeout");
  result.read_timeout = config.duration("db_read_timeout");
  result.write_timeout = config.duration("db_write_timeout");
  result.operation_timeout = config.duration("db_operation_timeout");
  return result;
}

}  // namespace rivera::sql
