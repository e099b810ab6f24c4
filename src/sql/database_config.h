// Where the database is and how to reach it: the configuration keys that BBS and Locket share.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace rivera::base {
class ConfigFile;
struct ConfigKey;
}  // namespace rivera::base

namespace rivera::sql {

enum class Engine { kSqlite, kPostgres, kMysql };

// "sqlite3", "postgres", "mysql": how `database_driver` names it.
const char* to_string(Engine engine);

struct DatabaseConfig {
  Engine engine = Engine::kSqlite;
  // SQLite: the path of the file (created if missing). PostgreSQL: a libpq URL or keyword string.
  // MySQL: "user:password@tcp(host:port)/schema". Holds a password: never log it.
  std::string connection_string;
  std::string ca_cert_file;                             // with it, TLS to the server is required and its chain checked
  bool verify_identity = false;                         // and its host name too
  std::size_t max_open_connections = 8;                 // at least 1
  std::size_t max_idle_connections = 8;                 // more are closed when they are given back
  std::chrono::nanoseconds max_connection_lifetime{0};  // 0 = no limit
  std::chrono::nanoseconds connection_timeout = std::chrono::seconds(10);
  // How long a server may be silent while an answer is awaited, or while it takes what it is sent; then kConnection or
  // kTimeout. PostgreSQL's server watches the first itself, too (statement_timeout). Not for SQLite.
  std::chrono::nanoseconds read_timeout = std::chrono::minutes(10);
  std::chrono::nanoseconds write_timeout = std::chrono::minutes(10);
  // How long a call may wait for a free connection (then kTimeout) or for another's lock (then kDeadlock).
  std::chrono::nanoseconds operation_timeout = std::chrono::seconds(10);
  // After how long the server rolls back a transaction whose client says nothing, and ends its session: the locks of a
  // process that was stopped, or whose machine vanished, must not keep its successor waiting. PostgreSQL and MariaDB
  // only; at least a second.
  std::chrono::nanoseconds idle_transaction_timeout = std::chrono::seconds(5);
};

// The keys of the next function, for the tables of the components that have a database.
std::vector<base::ConfigKey> database_keys();

// Reads `database_driver`, `database_connection_string`, `max_open_database_connections`,
// `max_idle_database_connections`, `max_database_connection_lifetime`, `sql_ca_cert_file`, `sql_require_ssl`,
// `sql_enable_identity_verification`, `db_connection_timeout`, `db_read_timeout`, `db_write_timeout`,
// `db_operation_timeout` (docs/spec/locket-and-auction.md §1.10, docs/spec/bbs.md).
// Throws base::ConfigError.
DatabaseConfig read_database_config(const base::ConfigFile& config);

}  // namespace rivera::sql
