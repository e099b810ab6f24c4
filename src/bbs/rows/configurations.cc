#include "bbs/rows/configurations.h"

#include "sql/database.h"

namespace rivera::bbs {

std::optional<std::string> configuration(sql::Connection& connection, const char* id, std::string_view suffix) {
  std::optional<std::string> value;
  const std::string query = "SELECT value FROM configurations WHERE id = ?" + std::string(suffix);
  connection.query_one(query, {id}, [&value](const sql::Row& row) { value = std::string(row.text(0)); });
  return value;
}

void set_configuration(sql::Connection& connection, const char* id, const std::string& value) {
  connection.execute(connection.dialect().upsert("configurations", {"id"}, {"value"}), {id, value});
}

}  // namespace rivera::bbs
