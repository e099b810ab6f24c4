#include "sql/session.h"

namespace rivera::sql {

std::unique_ptr<Driver> make_postgres_driver(const DatabaseConfig&) {
  throw Error(ErrorClass::kOther, "", "database_driver postgres: not part of this build");
}

std::unique_ptr<Driver> make_mysql_driver(const DatabaseConfig&) {
  throw Error(ErrorClass::kOther, "", "database_driver mysql: not part of this build");
}

}  // namespace rivera::sql
