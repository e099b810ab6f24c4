#include "bbs/schema.h"

#include <string>
#include <vector>

#include "sql/database.h"

namespace rivera::bbs {
namespace {

struct Table {
  std::string name;
  std::string columns;
  std::vector<std::string> indices;  // columns with a secondary index
};

std::vector<Table> tables(const sql::Dialect& dialect) {
  const std::string text(dialect.medium_text());
  const std::string boolean(dialect.boolean());
  return {
      {"domains", "domain VARCHAR(255) PRIMARY KEY, expire_time BIGINT DEFAULT 0", {"expire_time"}},
      {"desired_lrps",
       "process_guid VARCHAR(255) PRIMARY KEY, domain VARCHAR(255) NOT NULL, log_guid VARCHAR(255) NOT NULL, "
       "annotation " +
           text +
           ", instances INT NOT NULL, memory_mb INT NOT NULL, disk_mb INT NOT NULL, rootfs VARCHAR(1024) NOT NULL, "
           "routes " +
           text + " NOT NULL, volume_placement " + text +
           " NOT NULL, modification_tag_epoch VARCHAR(255) NOT NULL, modification_tag_index INT, run_info " + text +
           " NOT NULL, placement_tags " + text + ", max_pids INT DEFAULT 0, metric_tags " + text +
           ", update_strategy INT NOT NULL DEFAULT 0",
       {"domain"}},
      {"actual_lrps",
       "process_guid VARCHAR(255) NOT NULL, instance_index INT NOT NULL, presence INT NOT NULL DEFAULT 0, evacuating " +
           boolean + " NOT NULL DEFAULT " + (dialect.engine() == sql::Engine::kPostgres ? "false" : "0") +
           ", domain VARCHAR(255) NOT NULL, state VARCHAR(255) NOT NULL, instance_guid VARCHAR(255) NOT NULL DEFAULT "
           "'', "
           "cell_id VARCHAR(255) NOT NULL DEFAULT '', placement_error VARCHAR(1024) NOT NULL DEFAULT '', since BIGINT "
           "DEFAULT 0, net_info " +
           text +
           " NOT NULL, modification_tag_epoch VARCHAR(255) NOT NULL, modification_tag_index INT, crash_count INT NOT "
           "NULL "
           "DEFAULT 0, crash_reason VARCHAR(1024) NOT NULL DEFAULT '', expire_time BIGINT DEFAULT 0, internal_routes " +
           text + ", metric_tags " + text + ", routable " + boolean +
           ", availability_zone VARCHAR(255) NOT NULL DEFAULT '', PRIMARY KEY (process_guid, instance_index, presence)",
       {"domain", "cell_id", "since", "state", "expire_time"}},
      {"tasks",
       "guid VARCHAR(255) PRIMARY KEY, domain VARCHAR(255) NOT NULL, updated_at BIGINT DEFAULT 0, created_at BIGINT "
       "DEFAULT 0, first_completed_at BIGINT DEFAULT 0, state INT, cell_id VARCHAR(255) NOT NULL DEFAULT '', result " +
           text + ", failed " + boolean + ", failure_reason VARCHAR(1024) NOT NULL DEFAULT '', task_definition " +
           text +
           " NOT NULL, rejection_count INT NOT NULL DEFAULT 0, rejection_reason VARCHAR(1024) NOT NULL DEFAULT ''",
       {"domain", "state", "cell_id", "updated_at", "created_at", "first_completed_at"}},
      {"bbs_health_check", "id " + std::string(dialect.auto_increment()) + ", time BIGINT", {}},
  };
}

}  // namespace

void create_configurations_table(sql::Connection& connection) {
  connection.execute("CREATE TABLE IF NOT EXISTS configurations (id VARCHAR(255) PRIMARY KEY, value VARCHAR(255))");
}

void create_tables(sql::Connection& connection) {
  for (const Table& table : tables(connection.dialect())) {
    connection.execute("CREATE TABLE " + table.name + " (" + table.columns + ")");
    for (const std::string& column : table.indices) {
      connection.execute("CREATE INDEX " + table.name + "_" + column + "_idx ON " + table.name + " (" + column + ")");
    }
  }
}

}  // namespace rivera::bbs
