// The BBS's tables: upstream's names, columns and keys (docs/spec/bbs.md §6.1).
#pragma once

#include <cstdint>

namespace rivera::sql {
class Connection;
}

namespace rivera::bbs {

// The version of upstream's migrations that the tables below correspond to (§6.3).
inline constexpr std::int64_t kSchemaVersion = 1772581987;

// The table that holds version and key label; created at every start, if absent.
void create_configurations_table(sql::Connection& connection);

// All other tables with their indices, in a database that has none of them.
void create_tables(sql::Connection& connection);

}  // namespace rivera::bbs
