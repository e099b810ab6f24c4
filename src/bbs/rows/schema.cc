#include "bbs/rows/schema.h"

#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sql/database.h"

namespace rivera::bbs {
namespace {

using enum ColumnType;

constexpr const char* kRequired = "NOT NULL";
constexpr const char* kEmpty = "NOT NULL DEFAULT ''";
constexpr const char* kZero = "NOT NULL DEFAULT 0";

std::string false_by_default(const sql::Dialect& dialect) {
  return dialect.engine() == sql::Engine::kPostgres ? "DEFAULT false" : "DEFAULT 0";
}

Table desired_lrps() {
  return {"desired_lrps",
          {{"process_guid", kName, kRequired},
           {"domain", kName, kRequired},
           {"log_guid", kName, kRequired},
           {"annotation", kText, ""},
           {"instances", kInteger, kRequired},
           {"memory_mb", kInteger, kRequired},
           {"disk_mb", kInteger, kRequired},
           {"rootfs", kLine, kRequired},
           {"routes", kSealed, kRequired},
           {"volume_placement", kSealed, kRequired},
           {"modification_tag_epoch", kName, kRequired},
           {"modification_tag_index", kInteger, ""},
           {"run_info", kSealed, kRequired},
           {"placement_tags", kShortText, ""},
           {"max_pids", kInteger, "DEFAULT 0"},
           {"metric_tags", kMediumSealed, ""},
           {"update_strategy", kInteger, kZero}},
          {"process_guid"},
          {"domain"}};
}

Table actual_lrps(const sql::Dialect& dialect) {
  return {"actual_lrps",
          {{"process_guid", kName, kRequired},
           {"instance_index", kInteger, kRequired},
           {"presence", kInteger, kZero},
           {"evacuating", kBoolean, "NOT NULL " + false_by_default(dialect)},
           {"domain", kName, kRequired},
           {"state", kName, kRequired},
           {"instance_guid", kName, kEmpty},
           {"cell_id", kName, kEmpty},
           {"placement_error", kLine, kEmpty},
           {"since", kTime, "DEFAULT 0"},
           {"net_info", kSealed, kRequired},
           {"modification_tag_epoch", kName, kRequired},
           {"modification_tag_index", kInteger, ""},
           {"crash_count", kInteger, kZero},
           {"crash_reason", kLine, kEmpty},
           {"expire_time", kTime, "DEFAULT 0"},
           {"internal_routes", kMediumSealed, ""},
           {"metric_tags", kMediumSealed, ""},
           {"routable", kBoolean, false_by_default(dialect)},
           {"availability_zone", kName, kEmpty}},
          {"process_guid", "instance_index", "presence"},
          {"domain", "cell_id", "since", "state", "expire_time"}};
}

Table tasks(const sql::Dialect& dialect) {
  return {"tasks",
          {{"guid", kName, kRequired},
           {"domain", kName, kRequired},
           {"updated_at", kTime, "DEFAULT 0"},
           {"created_at", kTime, "DEFAULT 0"},
           {"first_completed_at", kTime, "DEFAULT 0"},
           {"state", kInteger, ""},
           {"cell_id", kName, kEmpty},
           {"result", kText, ""},
           {"failed", kBoolean, false_by_default(dialect)},
           {"failure_reason", kLine, kEmpty},
           {"task_definition", kSealed, kRequired},
           {"rejection_count", kInteger, kZero},
           {"rejection_reason", kLine, kEmpty}},
          {"guid"},
          {"domain", "state", "cell_id", "updated_at", "created_at", "first_completed_at"}};
}

}  // namespace

const Column& Table::column(std::string_view wanted) const {
  for (const Column& column : columns) {
    if (column.name == wanted) return column;
  }
  throw std::logic_error(fmt::format("the table {} has no column {}", name, wanted));
}

std::vector<Table> tables(const sql::Dialect& dialect) {
  return {{"domains", {{"domain", kName, kRequired}, {"expire_time", kTime, "DEFAULT 0"}}, {"domain"}, {"expire_time"}},
          desired_lrps(),
          actual_lrps(dialect),
          tasks(dialect),
          {"bbs_health_check", {{"id", kCounter, ""}, {"time", kTime, kRequired}}, {}, {}}};
}

Table table(const sql::Dialect& dialect, std::string_view name) {
  for (Table& found : tables(dialect)) {
    if (found.name == name) return std::move(found);
  }
  throw std::logic_error(fmt::format("there is no table {}", name));
}

std::string type_of(const Column& column, const sql::Dialect& dialect) {
  switch (column.type) {
    case kName:
      return "VARCHAR(255)";
    case kLine:
      return "VARCHAR(1024)";
    case kShortText:
      return "TEXT";
    case kText:
    case kSealed:
      return std::string(dialect.long_text());
    case kMediumSealed:
      return std::string(dialect.medium_text());
    case kInteger:
      return "INT";
    case kTime:
      return "BIGINT";
    case kBoolean:
      return std::string(dialect.boolean());
    case kCounter:
      return std::string(dialect.auto_increment());
  }
  return "";
}

std::string definition_of(const Column& column, const sql::Dialect& dialect) {
  return fmt::format("{} {} {}", column.name, type_of(column, dialect), column.constraint);
}

void create_configurations_table(sql::Connection& connection) {
  connection.execute("CREATE TABLE IF NOT EXISTS configurations (id VARCHAR(255) PRIMARY KEY, value VARCHAR(255))");
}

void create_table(sql::Connection& connection, const Table& table) {
  std::vector<std::string> parts;
  for (const Column& column : table.columns) parts.push_back(definition_of(column, connection.dialect()));
  if (!table.key.empty()) parts.push_back(fmt::format("PRIMARY KEY ({})", fmt::join(table.key, ", ")));
  connection.execute(fmt::format("CREATE TABLE {} ({})", table.name, fmt::join(parts, ", ")));
  for (const std::string& column : table.indices) {
    connection.execute(fmt::format("CREATE INDEX {0}_{1}_idx ON {0} ({1})", table.name, column));
  }
}

void create_tables(sql::Connection& connection) {
  for (const Table& table : tables(connection.dialect())) create_table(connection, table);
}

}  // namespace rivera::bbs
