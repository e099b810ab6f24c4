#include "bbs/store/migrations.h"

#include <set>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bbs/rows/column_codec.h"
#include "bbs/rows/configurations.h"
#include "bbs/rows/schema.h"
#include "bbs/store/table_pages.h"
#include "models/models.h"
#include "sql/database.h"

namespace rivera::bbs {
namespace {

constexpr std::int64_t kFirstVersion = 1461790966;
constexpr std::size_t kMigratedAtOnce = 500;

// The operations of which steps consist. Each is idempotent.
class Step {
 public:
  Step(sql::Connection& connection, const ColumnCipher& cipher)
      : connection_(connection), dialect_(connection.dialect()), cipher_(cipher) {}

  void add(const char* table_name, const char* column_name) {
    if (columns_of(table_name).contains(column_name)) return;
    const Column column = table(dialect_, table_name).column(column_name);
    connection_.execute(fmt::format("ALTER TABLE {} ADD COLUMN {}", table_name, definition_of(column, dialect_)));
  }

  // Gives a column its present width.
  void widen(const char* table_name, const char* column_name) {
    const Column column = table(dialect_, table_name).column(column_name);
    switch (dialect_.engine()) {
      case sql::Engine::kPostgres:
        connection_.execute(
            fmt::format("ALTER TABLE {} ALTER COLUMN {} TYPE {}", table_name, column_name, type_of(column, dialect_)));
        break;
      case sql::Engine::kMysql:
        connection_.execute(fmt::format("ALTER TABLE {} MODIFY {}", table_name, definition_of(column, dialect_)));
        break;
      case sql::Engine::kSqlite:
        break;  // has no limit for texts
    }
  }

  void execute(std::string_view sql) { connection_.execute(sql); }

  void create(const char* table_name) {
    if (columns_of(table_name).empty()) create_table(connection_, table(dialect_, table_name));
  }

  // Replaces the primary key by the present one.
  void rekey(const char* table_name) {
    const Table now = table(dialect_, table_name);
    const std::string key = fmt::format("ADD PRIMARY KEY ({})", fmt::join(now.key, ", "));
    switch (dialect_.engine()) {
      case sql::Engine::kPostgres:
        execute(fmt::format("ALTER TABLE {0} DROP CONSTRAINT {0}_pkey, {1}", table_name, key));
        break;
      case sql::Engine::kMysql:
        execute(fmt::format("ALTER TABLE {} DROP PRIMARY KEY, {}", table_name, key));
        break;
      case sql::Engine::kSqlite:
        make_anew(now);
        break;
    }
  }

  // Sets `target` of each row to `content(the text of source)`; nullopt leaves the row unchanged.
  using Content = std::function<std::optional<std::string>(std::string_view source, std::string_view target)>;
  void rewrite(const char* table_name, const char* source, const char* target, const Content& content) {
    const Table of = table(dialect_, table_name);
    TablePages pages(of, {source, target}, kMigratedAtOnce);
    const std::string update = fmt::format("UPDATE {} SET {} = ? WHERE {} = ?", table_name, target, of.key.front());
    std::vector<std::pair<std::string, std::string>> rewritten;  // key, new content
    const auto look = [&](const sql::Row& row) {
      auto text = content(row.text(1), row.text(2));
      if (text) rewritten.emplace_back(row.text(0), std::move(*text));
    };
    while (pages.next(connection_, look)) {
      std::vector<sql::Statement> statements;
      for (const auto& [key, text] : rewritten) statements.push_back({update, {text, key}});
      connection_.execute_batch(statements);
      rewritten.clear();
    }
  }

  const ColumnCipher& cipher() const { return cipher_; }

 private:
  std::set<std::string, std::less<>> columns_of(const char* table_name) {
    std::set<std::string, std::less<>> names;
    connection_.query(dialect_.columns_of_table_query(), {table_name},
                      [&names](const sql::Row& row) { names.emplace(row.text(0)); });
    return names;
  }

  // SQLite cannot change a key: the rows move to a new table.
  void make_anew(const Table& now) {
    const auto known = columns_of(now.name.c_str());
    std::vector<std::string> kept;
    for (const Column& column : now.columns) {
      if (known.contains(column.name)) kept.push_back(column.name);
    }
    const std::string columns = fmt::format("{}", fmt::join(kept, ", "));
    execute(fmt::format("ALTER TABLE {0} RENAME TO {0}_before", now.name));
    for (const std::string& column : now.indices)
      execute(fmt::format("DROP INDEX IF EXISTS {}_{}_idx", now.name, column));
    create_table(connection_, now);
    execute(fmt::format("INSERT INTO {0} ({1}) SELECT {1} FROM {0}_before", now.name, columns));
    execute(fmt::format("DROP TABLE {}_before", now.name));
  }

  sql::Connection& connection_;
  const sql::Dialect& dialect_;
  const ColumnCipher& cipher_;
};

void encrypt_routes(Step& step) {
  step.rewrite("desired_lrps", "routes", "routes", [&step](std::string_view routes, std::string_view) {
    const bool is_sealed = routes.starts_with("02");  // no JSON of routes begins so
    return is_sealed ? std::nullopt : std::optional(step.cipher().seal(routes));
  });
}

void tell_presence_from_evacuating(Step& step) {
  step.add("actual_lrps", "presence");
  step.execute("UPDATE actual_lrps SET presence = 1 WHERE evacuating");
  step.rekey("actual_lrps");
}

void copy_metric_tags(Step& step) {
  step.add("desired_lrps", "metric_tags");
  step.rewrite("desired_lrps", "run_info", "metric_tags",
               [&step](std::string_view run_info, std::string_view tags) -> std::optional<std::string> {
                 if (!tags.empty()) return std::nullopt;
                 try {
                   models::DesiredLRPRunInfo read;
                   read_message_column(step.cipher().open(run_info), read);
                   models::DesiredLRP lrp;
                   *lrp.mutable_metric_tags() = read.metric_tags();
                   return step.cipher().seal(desired_tags_column(lrp));
                 } catch (const UndecodableColumn&) {
                   return std::nullopt;
                 }
               });
}

void lengthen_texts(Step& step) {
  for (const char* column : {"annotation", "routes", "volume_placement", "run_info"}) {
    step.widen("desired_lrps", column);
  }
  step.widen("actual_lrps", "net_info");
  for (const char* column : {"result", "task_definition"}) step.widen("tasks", column);
}

struct Migration {
  std::int64_t version;
  const char* what;
  void (*apply)(Step& step);
};

// In order: upstream's changes since its first tables, expressed with the present ones.
const Migration kMigrations[] = {
    {1471030898, "desired_lrps.run_info takes longer texts",
     [](Step& step) { step.widen("desired_lrps", "run_info"); }},
    {1472757022, "desired_lrps.placement_tags", [](Step& step) { step.add("desired_lrps", "placement_tags"); }},
    {1474908092, "actual_lrps.placement_error and crash_reason take longer texts",
     [](Step& step) {
       step.widen("actual_lrps", "placement_error");
       step.widen("actual_lrps", "crash_reason");
     }},
    {1474993971, "desired_lrps.routes is encrypted", encrypt_routes},
    {1481761088, "desired_lrps.max_pids", [](Step& step) { step.add("desired_lrps", "max_pids"); }},
    {1502289152, "desired_lrps.rootfs takes longer texts", [](Step& step) { step.widen("desired_lrps", "rootfs"); }},
    {1522700600, "tasks.rejection_count", [](Step& step) { step.add("tasks", "rejection_count"); }},
    {1523050077, "tasks.rejection_reason", [](Step& step) { step.add("tasks", "rejection_reason"); }},
    {1528928964, "tasks.failure_reason and rejection_reason take longer texts",
     [](Step& step) {
       step.widen("tasks", "failure_reason");
       step.widen("tasks", "rejection_reason");
     }},
    {1529530809, "actual_lrps.presence, in place of evacuating", tell_presence_from_evacuating},
    {1643660541, "actual_lrps.internal_routes", [](Step& step) { step.add("actual_lrps", "internal_routes"); }},
    {1674146125, "texts may be longer than 16 MiB", lengthen_texts},
    {1676360874, "actual_lrps.metric_tags", [](Step& step) { step.add("actual_lrps", "metric_tags"); }},
    {1686692176, "actual_lrps.routable, true where it is running",
     [](Step& step) {
       step.add("actual_lrps", "routable");
       step.execute("UPDATE actual_lrps SET routable = true WHERE state = 'RUNNING'");
     }},
    {1698182853, "actual_lrps.availability_zone", [](Step& step) { step.add("actual_lrps", "availability_zone"); }},
    {1722634733, "desired_lrps.metric_tags, copied from run_info", copy_metric_tags},
    {1764949919, "bbs_health_check", [](Step& step) { step.create("bbs_health_check"); }},
    {kSchemaVersion, "desired_lrps.update_strategy", [](Step& step) { step.add("desired_lrps", "update_strategy"); }},
};

void set_version(sql::Connection& connection, std::int64_t version) {
  set_configuration(connection, kVersionKey, fmt::format("{{\"CurrentVersion\":{}}}", version));
}

// Tables without a version are left by an interrupted creation, or hold data of unknown origin: only empty ones are
// dropped.
void drop_empty_tables(sql::Connection& connection) {
  for (const Table& table : tables(connection.dialect())) {
    bool exists = false;
    connection.query(connection.dialect().columns_of_table_query(), {table.name},
                     [&exists](const sql::Row&) { exists = true; });
    if (!exists) continue;
    if (connection.query_one(fmt::format("SELECT 1 FROM {} LIMIT 1", table.name), {}, [](const sql::Row&) {})) {
      throw UnusableDatabase(
          fmt::format("the database has rows in {} but no version in configurations: restore that, or empty the table",
                      table.name));
    }
    connection.execute("DROP TABLE " + table.name);
  }
}

class Migrator {
 public:
  Migrator(sql::Database& database, const std::function<void(sql::Connection&)>& fence,
           const std::function<void(const MigrationProgress&)>& report)
      : database_(database), fence_(fence), report_(report) {}

  template <typename Apply>
  void take(std::int64_t version, const std::string& what, Apply apply) {
    const auto started = std::chrono::steady_clock::now();
    database_.transact(sql::TransactionMode::kWrite, [&](sql::Connection& connection) {
      if (fence_) fence_(connection);
      apply(connection);
      set_version(connection, version);
    });
    if (report_) report_({version, what, std::chrono::steady_clock::now() - started});
  }

 private:
  sql::Database& database_;
  const std::function<void(sql::Connection&)>& fence_;
  const std::function<void(const MigrationProgress&)>& report_;
};

}  // namespace

std::optional<std::int64_t> schema_version(sql::Connection& connection) {
  const auto text = configuration(connection, kVersionKey);
  if (!text) return std::nullopt;
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(*text, error);
  const boost::json::value* version =
      !error && value.is_object() ? value.get_object().if_contains("CurrentVersion") : nullptr;
  if (!version || !version->is_int64()) throw UnusableDatabase("the database's version cannot be read: " + *text);
  const std::int64_t number = version->get_int64();
  if (number > kSchemaVersion) {
    throw UnusableDatabase(fmt::format(
        "the database has version {}, made by a newer BBS; this one knows versions up to {}", number, kSchemaVersion));
  }
  if (number < kFirstVersion) return std::nullopt;
  return number;
}

void migrate(sql::Database& database, const ColumnCipher& cipher, const std::function<void(sql::Connection&)>& fence,
             const std::function<void(const MigrationProgress&)>& report) {
  Migrator migrator(database, fence, report);
  std::optional<std::int64_t> version;
  {
    sql::Connection connection = database.connect();
    version = schema_version(connection);
  }
  if (!version) {
    migrator.take(kSchemaVersion, "all tables", [](sql::Connection& connection) {
      drop_empty_tables(connection);
      create_tables(connection);
    });
    return;
  }
  for (const Migration& migration : kMigrations) {
    if (migration.version <= *version) continue;
    migrator.take(migration.version, migration.what, [&](sql::Connection& connection) {
      Step step(connection, cipher);
      migration.apply(step);
    });
  }
}

}  // namespace rivera::bbs
