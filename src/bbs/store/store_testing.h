// Databases for tests of the store: empty ones on any engine, and upstream's of earlier versions.
#pragma once

#include <fstream>
#include <map>
#include <memory>
#include <regex>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/places.h"
#include "bbs/rows/column_codec.h"
#include "bbs/rows/configurations.h"
#include "bbs/rows/schema.h"
#include "bbs/store/store.h"
#include "models/testing/testing.h"
#include "sql/testing/test_servers.h"

namespace rivera::bbs::store_testing {

inline const std::map<std::string, std::string> kKeys = {{"k1", "a secure passphrase"}, {"k2", "another one"}};

// One server (SQLite: a directory) with any number of databases.
class TestDatabases {
 public:
  explicit TestDatabases(sql::Engine engine) : engine_(engine) {
    if (engine != sql::Engine::kSqlite) server_ = std::make_unique<sql::TestServer>(engine);
  }

  // A new and empty one.
  std::unique_ptr<sql::Database> make() {
    const std::string name = fmt::format("rivera{}", ++made_);
    sql::DatabaseConfig config;
    if (server_) {
      config = server_->config();
      sql::Database::open(config)->connect().execute_script("CREATE DATABASE " + name);
      config.connection_string.replace(config.connection_string.rfind("rivera"), std::string::npos, name);
    } else {
      config.connection_string = (directory_.path() / name).string();
    }
    return sql::Database::open(config);
  }

  sql::Engine engine() const { return engine_; }

 private:
  sql::Engine engine_;
  base::TemporaryDirectory directory_;
  std::unique_ptr<sql::TestServer> server_;
  int made_ = 0;
};

// The tables as upstream's first migration, 1461790966, made them.
inline void make_first_tables(sql::Connection& connection) {
  const std::string text = connection.dialect().engine() == sql::Engine::kPostgres ? "TEXT" : "MEDIUMTEXT";
  const std::string no = connection.dialect().engine() == sql::Engine::kPostgres ? "false" : "0";
  for (const std::string& table : {
           fmt::format("domains (domain VARCHAR(255) PRIMARY KEY, expire_time BIGINT DEFAULT 0)"),
           fmt::format(
               "tasks (guid VARCHAR(255) PRIMARY KEY, domain VARCHAR(255) NOT NULL, updated_at BIGINT DEFAULT 0, "
               "created_at BIGINT DEFAULT 0, first_completed_at BIGINT DEFAULT 0, state INT, cell_id "
               "VARCHAR(255) NOT NULL DEFAULT '', result {0}, failed BOOL DEFAULT {1}, failure_reason "
               "VARCHAR(255) NOT NULL DEFAULT '', task_definition {0} NOT NULL)",
               text, no),
           fmt::format("desired_lrps (process_guid VARCHAR(255) PRIMARY KEY, domain VARCHAR(255) NOT NULL, log_guid "
                       "VARCHAR(255) NOT NULL, annotation {0}, instances INT NOT NULL, memory_mb INT NOT NULL, disk_mb "
                       "INT NOT NULL, rootfs VARCHAR(255) NOT NULL, routes {0} NOT NULL, volume_placement {0} NOT "
                       "NULL, modification_tag_epoch VARCHAR(255) NOT NULL, modification_tag_index INT, run_info TEXT "
                       "NOT NULL)",
                       text),
           fmt::format(
               "actual_lrps (process_guid VARCHAR(255), instance_index INT, evacuating BOOL DEFAULT {1}, domain "
               "VARCHAR(255) NOT NULL, state VARCHAR(255) NOT NULL, instance_guid VARCHAR(255) NOT NULL DEFAULT "
               "'', cell_id VARCHAR(255) NOT NULL DEFAULT '', placement_error VARCHAR(255) NOT NULL DEFAULT "
               "'', since BIGINT DEFAULT 0, net_info {0} NOT NULL, modification_tag_epoch VARCHAR(255) NOT "
               "NULL, modification_tag_index INT, crash_count INT NOT NULL DEFAULT 0, crash_reason "
               "VARCHAR(255) NOT NULL DEFAULT '', expire_time BIGINT DEFAULT 0, PRIMARY KEY (process_guid, "
               "instance_index, evacuating))",
               text, no),
       }) {
    connection.execute("CREATE TABLE " + table);
  }
  for (const char* column : {"domain", "cell_id", "since", "state", "expire_time"}) {
    connection.execute(fmt::format("CREATE INDEX actual_lrps_{0}_idx ON actual_lrps ({0})", column));
  }
  set_configuration(connection, kVersionKey, R"({"CurrentVersion":1461790966})");
}

// Converts the tables of this version, which must be empty, to those of v2.80.0.
inline void go_back_to_v2_80_0(sql::Connection& connection) {
  connection.execute("ALTER TABLE actual_lrps DROP COLUMN routable");
  connection.execute("ALTER TABLE actual_lrps DROP COLUMN availability_zone");
  connection.execute("ALTER TABLE desired_lrps DROP COLUMN metric_tags");
  connection.execute("ALTER TABLE desired_lrps DROP COLUMN update_strategy");
  connection.execute("DROP TABLE bbs_health_check");
  set_configuration(connection, kVersionKey, R"({"CurrentVersion":1676360874})");
}

inline std::string golden(const std::string& name) { return base::source_dir() + "/tests/golden/" + name; }

// Inserts the rows of a dump of a database that v2.80.0 wrote, except the table of configurations.
inline void insert_golden_rows(sql::Connection& connection) {
  std::map<std::string, std::string> columns;  // of each table, in the order of the dump
  std::ifstream dump(golden("upstream-bbs-postgres.sql"));
  std::string table;
  const std::regex create(R"(CREATE TABLE public\.(\w+) \()"), column(R"(^    (\w+) )"),
      insert(R"(INSERT INTO public\.(\w+) (VALUES .*))");
  for (std::string line; std::getline(dump, line);) {
    std::smatch match;
    if (std::regex_search(line, match, create)) {
      table = match[1];
    } else if (line == ");") {
      table.clear();
    } else if (!table.empty() && std::regex_search(line, match, column)) {
      columns[table] += (columns[table].empty() ? "" : ", ") + match[1].str();
    } else if (std::regex_match(line, match, insert) && match[1] != "configurations") {
      connection.execute("INSERT INTO " + match[1].str() + " (" + columns.at(match[1]) + ") " + match[2].str());
    }
  }
}

// All records; fails the test if any row cannot be read.
inline Records loaded(Store& store) {
  Records records;
  Store::LoadResult result = store.load();
  EXPECT_TRUE(result.unreadable.empty());
  for (const Change& change : result.records) records.apply(change);
  return records;
}

inline models::DesiredLRP a_full_desired_lrp(const std::string& guid = "p") {
  auto lrp = models::as_stored(models::testing::a_desired_lrp(guid)
                                   .with_instances(3)
                                   .with_route("cf-router", R"([ {"hostnames": ["<a>"]} ])")
                                   .with_port(8080)
                                   .with_placement_tag("iso")
                                   .with_volume_driver("nfs")
                                   .with_update_strategy(models::DesiredLRP::RECREATE),
                               "epoch");
  (*lrp.mutable_metric_tags())["i"].set_dynamic(models::MetricTagValue::INDEX);
  lrp.set_annotation("notes");
  lrp.add_environment_variables()->set_name("A");
  return lrp;
}

// One record of each kind with every field set.
inline std::vector<Change> a_record_of_each_kind() {
  models::ActualLRP running = models::testing::an_actual_lrp("p", 1).running_on("cell", "i").since(5);
  running.add_actual_lrp_internal_routes()->set_hostname("a.internal");
  (*running.mutable_metric_tags())["k"] = "v";
  running.set_availability_zone("z1");
  running.set_routable(true);
  return {Swap<DesiredLRPRecord>{nullptr, make_desired_lrp(a_full_desired_lrp(), 17)},
          Swap<ActualLRPRecord>{nullptr, make_actual_lrp(running)},
          Swap<TaskRecord>{nullptr, make_task(models::testing::a_task("t"))},
          Swap<DomainRecord>{nullptr, make_domain("d", 99)}};
}

}  // namespace rivera::bbs::store_testing
