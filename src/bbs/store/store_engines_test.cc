// The guarantees of the store, on every engine. Each engine is one test, because starting a server takes longer than
// all checks; each check has its own database.
#include <atomic>
#include <sstream>
#include <thread>

#include <boost/json.hpp>

#include "bbs/store/database_check_loop.h"
#include "bbs/store/key_rotation.h"
#include "bbs/store/store_dump.h"
#include "bbs/store/store_testing.h"
#include "models/forms/json.h"

namespace rivera::bbs {
namespace {

namespace json = boost::json;
using store_testing::a_full_desired_lrp;
using store_testing::a_record_of_each_kind;
using store_testing::kKeys;
using store_testing::loaded;
using store_testing::TestDatabases;

std::set<std::string> columns_of(sql::Database& database) {
  std::set<std::string> columns;
  sql::Connection connection = database.connect();
  for (const Table& table : tables(database.dialect())) {
    connection.query(database.dialect().columns_of_table_query(), {table.name},
                     [&](const sql::Row& row) { columns.insert(table.name + "." + std::string(row.text(0))); });
  }
  return columns;
}

std::string exported(sql::Database& database) {
  std::ostringstream out;
  export_records(database, out, {});
  // Tables have no order.
  std::istringstream in(out.str());
  std::set<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.insert(line);
  std::string sorted;
  for (const std::string& line : lines) sorted += line + "\n";
  return sorted;
}

class StoreContract {
 public:
  explicit StoreContract(sql::Engine engine) : databases_(engine) {}

  void check() {
    the_types_of_columns_are_upstreams();
    the_types_of_columns_are_upstreams();
    the_first_version_is_brought_up_to_date();
    v2_80_0_is_brought_up_to_date();
    an_interrupted_migration_can_be_repeated();
    an_interrupted_creation_is_begun_again();
    rows_that_cannot_be_read_are_distinguished();
    keys_are_rotated_beside_writes();
    foreign_writes_are_found();
    records_move_between_stores();
    imports_are_whole_or_nothing();
    the_health_check_needs_its_table();
  }

 private:
  // A fresh database with its store, active.
  void begin(const char* promise) {
    trace_.reset();  // destroys the previous one first
    trace_ = std::make_unique<::testing::ScopedTrace>(__FILE__, __LINE__, promise);
    database_ = databases_.make();
    store_ = std::make_unique<Store>(*database_, cipher_);
    store_->open();
    store_->become_active();
  }

  std::string text(const std::string& query) {
    std::string found;
    database_->connect().query_one(query, {}, [&](const sql::Row& row) { found = row.text(0); });
    return found;
  }

  // docs/spec/bbs.md §6.1. SQLite is not one of upstream's engines.
  void the_types_of_columns_are_upstreams() {
    begin("types of columns");
    if (database_->dialect().engine() == sql::Engine::kSqlite) return;
    const bool is_mysql = database_->dialect().engine() == sql::Engine::kMysql;
    const auto type_of = [&](const std::string& table, const std::string& column) {
      return text(
          "SELECT CONCAT(LOWER(data_type), ' ', is_nullable) FROM information_schema.columns WHERE table_name = '" +
          table + "' AND column_name = '" + column +
          "' AND table_schema = " + (is_mysql ? "database()" : "current_schema()"));
    };
    const std::string medium = is_mysql ? "mediumtext" : "text", large = is_mysql ? "longtext" : "text";
    EXPECT_EQ(type_of("bbs_health_check", "time"), "bigint NO");
    EXPECT_EQ(type_of("desired_lrps", "metric_tags"), medium + " YES");
    EXPECT_EQ(type_of("desired_lrps", "placement_tags"), "text YES");
    EXPECT_EQ(type_of("desired_lrps", "run_info"), large + " NO");
    EXPECT_EQ(type_of("actual_lrps", "metric_tags"), medium + " YES");
    EXPECT_EQ(type_of("actual_lrps", "internal_routes"), medium + " YES");
    EXPECT_EQ(type_of("actual_lrps", "net_info"), large + " NO");
  }

  void the_first_version_is_brought_up_to_date() {
    begin("the first version");
    const auto now = columns_of(*database_);
    database_ = databases_.make();
    store_ = std::make_unique<Store>(*database_, cipher_);
    store_->open();
    sql::Connection connection = database_->connect();
    store_testing::make_first_tables(connection);
    const models::DesiredLRP lrp = a_full_desired_lrp();
    models::DesiredLRPRunInfo run_info = models::run_info_of(lrp, 17);
    (*run_info.mutable_metric_tags())["i"].set_dynamic(models::MetricTagValue::INDEX);
    const auto info = models::scheduling_info_of(lrp);
    const std::string insert_desired =
        "INSERT INTO desired_lrps VALUES (?, 'd', 'log', 'notes', 3, 1, 2, 'rootfs', ?, ?, 'epoch', 1, ?)";
    const std::string routes = routes_column(lrp), volumes = cipher_.seal(message_column(info.volume_placement())),
                      sealed_run_info = cipher_.seal(message_column(run_info));
    connection.execute(insert_desired, {"p", routes, volumes, sealed_run_info});
    connection.execute(insert_desired, {"broken", routes, volumes, "junk"});
    const std::string insert_actual =
        "INSERT INTO actual_lrps VALUES ('p', 0, ?, 'd', 'RUNNING', 'i', 'c', '', 5, ?, 'epoch', 1, 0, '', 0)";
    const std::string net_info = cipher_.seal(message_column(models::ActualLRPNetInfo()));
    connection.execute(insert_actual, {false, net_info});
    connection.execute(insert_actual, {true, net_info});
    const std::string definition = cipher_.seal(message_column(models::testing::a_task().task_definition()));
    connection.execute("INSERT INTO tasks VALUES ('t', 'd', 1, 2, 3, 1, '', NULL, ?, '', ?)", {false, definition});

    std::vector<std::int64_t> steps;
    store_->become_active([&steps](const MigrationProgress& step) { steps.push_back(step.version); });
    EXPECT_EQ(steps.size(), 18u);
    EXPECT_EQ(steps.back(), kSchemaVersion);
    EXPECT_EQ(schema_version(connection), kSchemaVersion);
    EXPECT_EQ(columns_of(*database_), now);
    const Store::LoadResult result = store_->load();
    EXPECT_EQ(result.unreadable.size(), 1u);
    Records records;
    for (const Change& change : result.records) records.apply(change);
    ASSERT_TRUE(records.desired_lrp("p"));
    EXPECT_EQ(records.desired_lrp("p")->whole().routes().routes().at("cf-router"),
              lrp.routes().routes().at("cf-router"));
    EXPECT_TRUE(records.desired_lrp("p")->lrp.metric_tags().contains("i"));
    EXPECT_EQ(text("SELECT COUNT(*) FROM desired_lrps WHERE process_guid = 'broken' AND metric_tags IS NULL"), "1");
    ASSERT_TRUE(records.lrps("p", 0).ordinary());
    ASSERT_TRUE(records.lrps("p", 0).evacuating());
    EXPECT_TRUE(records.lrps("p", 0).ordinary()->lrp.routable());
    EXPECT_TRUE(records.task("t"));
    store_->become_active([](const MigrationProgress& step) { ADD_FAILURE() << step.what; });
  }

  void v2_80_0_is_brought_up_to_date() {
    begin("v2.80.0");
    sql::Connection connection = database_->connect();
    store_testing::go_back_to_v2_80_0(connection);
    store_testing::insert_golden_rows(connection);
    store_->become_active();
    const Records records = loaded(*store_);
    std::ifstream printed(store_testing::golden("upstream-bbs-cfdot.jsonl"));
    int compared = 0;
    for (std::string line; std::getline(printed, line);) {
      const json::object entry = json::parse(line).as_object();
      if (entry.at("cfdot").as_string() != "desired-lrps") continue;
      const json::object& recorded = entry.at("line").as_object();
      const auto desired = records.desired_lrp(std::string(recorded.at("process_guid").as_string()));
      ASSERT_TRUE(desired);
      const json::value ours = models::to_json(desired->whole());
      EXPECT_EQ(json::serialize(ours.as_object().at("metric_tags")), json::serialize(recorded.at("metric_tags")));
      ++compared;
    }
    EXPECT_EQ(compared, 6);
    EXPECT_EQ(records.actual_lrp_count(), 12u);
    EXPECT_TRUE(records.lrps("load-000000", 0).ordinary()->lrp.routable());
  }

  // If the engine commits each change of a table separately, everything but the version of a step may be present.
  void an_interrupted_migration_can_be_repeated() {
    begin("repeated migration");
    store_->write(a_record_of_each_kind());
    const std::string before = exported(*database_);
    sql::Connection connection = database_->connect();
    set_configuration(connection, kVersionKey, R"({"CurrentVersion":1461790966})");
    store_->become_active();
    EXPECT_EQ(exported(*database_), before);
  }

  void an_interrupted_creation_is_begun_again() {
    begin("repeated creation");
    const auto now = columns_of(*database_);
    sql::Connection connection = database_->connect();
    connection.execute("DROP TABLE tasks");
    connection.execute("DELETE FROM configurations");
    store_->become_active();
    EXPECT_EQ(columns_of(*database_), now);
    store_->write(a_record_of_each_kind());
    connection.execute("DELETE FROM configurations");
    EXPECT_THROW(store_->become_active(), UnusableDatabase) << "another schema's records are not dropped";
    EXPECT_EQ(loaded(*store_).desired_lrp_count(), 1u);
  }

  void rows_that_cannot_be_read_are_distinguished() {
    begin("unreadable rows");
    store_->write(a_record_of_each_kind());
    store_->write({Swap<TaskRecord>{nullptr, make_task(models::testing::a_task("good"))}});
    sql::Connection connection = database_->connect();
    connection.execute("UPDATE tasks SET task_definition = 'junk' WHERE guid = 't'");
    connection.execute("UPDATE actual_lrps SET net_info = ?", {cipher_.seal("no message")});
    connection.execute("UPDATE desired_lrps SET routes = 'junk'");
    std::map<RecordKind, bool> lost;
    for (const auto& record : store_->load().unreadable) lost[record.key.kind] = record.is_lost;
    EXPECT_EQ(lost, (std::map<RecordKind, bool>{
                        {RecordKind::kTask, true}, {RecordKind::kActualLRP, true}, {RecordKind::kDesiredLRP, false}}));

    connection.execute("UPDATE desired_lrps SET run_info = ?", {ColumnCipher({{"k9", "x"}}, "k9").seal("sealed")});
    for (const auto& record : store_->load().unreadable) {
      EXPECT_FALSE(record.is_lost) << "a key is missing: " << record.why;
    }
    connection.execute("UPDATE desired_lrps SET run_info = 'junk'");
    const Store::LoadResult result = store_->load();
    std::vector<RecordKey> keys;
    for (const auto& record : result.unreadable) {
      EXPECT_TRUE(record.is_lost);
      keys.push_back(record.key);
    }
    EXPECT_EQ(keys.size(), 3u);
    store_->remove(keys);
    EXPECT_EQ(loaded(*store_).tasks().size(), 1u);

    // Another passphrase under the same label opens nothing at all.
    const ColumnCipher mistaken({{"k1", "mistaken"}}, "k1");
    Store mistaken_store(*database_, mistaken);
    const auto unreadable = mistaken_store.load().unreadable;
    ASSERT_EQ(unreadable.size(), 1u);
    EXPECT_FALSE(unreadable.front().is_lost);
  }

  static models::DesiredLRP numbered(int i, const std::string& annotation) {
    models::DesiredLRP lrp = a_full_desired_lrp("p" + std::to_string(i));
    lrp.set_annotation(annotation);
    lrp.set_log_source(annotation);  // in run_info
    return lrp;
  }

  void keys_are_rotated_beside_writes() {
    begin("key rotation");
    constexpr int kMany = 250;
    std::vector<Change> all = a_record_of_each_kind();
    for (int i = 0; i < kMany; ++i) {
      all.push_back(Swap<DesiredLRPRecord>{nullptr, make_desired_lrp(numbered(i, "old"), 17)});
    }
    store_->write(all);
    KeyRotation first(*store_);
    EXPECT_TRUE(first.is_needed()) << "no label is stored";
    while (first.step()) {
    }
    EXPECT_EQ(first.rotated(), 0u);
    EXPECT_FALSE(first.is_needed());

    const ColumnCipher second_cipher(kKeys, "k2");
    Store second(*database_, second_cipher);
    second.become_active();
    {
      sql::Connection connection = database_->connect();
      connection.execute("UPDATE tasks SET task_definition = 'junk'");
    }
    KeyRotation rotation(second);
    EXPECT_TRUE(rotation.is_needed());
    std::atomic<bool> is_done = false;
    std::thread writer([&] {
      for (int i = 0; i < kMany && !is_done; ++i) {
        second.write({Swap<DesiredLRPRecord>{nullptr, make_desired_lrp(numbered(i, "new"), 17)}});
        written_ = i;
      }
    });
    while (rotation.step()) {
    }
    is_done = true;
    writer.join();
    EXPECT_EQ(rotation.unreadable(), 1u);
    EXPECT_EQ(text("SELECT value FROM configurations WHERE id = 'encryption_key_label'"), "k2");
    // With the new key alone everything can be read, and has the last written content.
    const ColumnCipher alone({{"k2", kKeys.at("k2")}}, "k2");
    Store reader(*database_, alone);
    const Store::LoadResult result = reader.load();
    EXPECT_EQ(result.unreadable.size(), 1u);
    Records records;
    for (const Change& change : result.records) records.apply(change);
    ASSERT_EQ(records.desired_lrp_count(), kMany + 1u);
    for (int i = 0; i < kMany; ++i) {
      EXPECT_EQ(records.desired_lrp("p" + std::to_string(i))->lrp.log_source(), i <= written_ ? "new" : "old") << i;
    }
    EXPECT_EQ(records.actual_lrp_count(), 1u);
    sql::Connection connection = database_->connect();
    EXPECT_THROW(store_->fence(connection), TermEnded) << "the second one has begun a term";
  }

  void foreign_writes_are_found() {
    begin("foreign writes");
    std::vector<Change> all = a_record_of_each_kind();
    for (int i = 0; i < 3; ++i) {
      all.push_back(Swap<DesiredLRPRecord>{nullptr, make_desired_lrp(a_full_desired_lrp("p" + std::to_string(i)), 17)});
      all.push_back(Swap<ActualLRPRecord>{nullptr, make_actual_lrp(models::testing::an_actual_lrp("p0", i))});
    }
    store_->write(all);
    const RecordList known = loaded(*store_).list();
    EXPECT_TRUE(store_->find_differences(known).empty());

    sql::Connection connection = database_->connect();
    connection.execute("UPDATE desired_lrps SET instances = 7 WHERE process_guid = 'p1'");
    connection.execute("UPDATE actual_lrps SET presence = 2 WHERE process_guid = 'p0' AND instance_index = 1");
    connection.execute("DELETE FROM actual_lrps WHERE process_guid = 'p0' AND instance_index = 2");
    connection.execute("DELETE FROM tasks");
    connection.execute("UPDATE domains SET expire_time = 3");
    const auto found = store_->find_differences(known);
    const std::set<RecordKey> expected = {{RecordKind::kDesiredLRP, "p1"},
                                          {RecordKind::kActualLRP, "p0", 1, 0},
                                          {RecordKind::kActualLRP, "p0", 1, 2},
                                          {RecordKind::kActualLRP, "p0", 2, 0},
                                          {RecordKind::kTask, "t"},
                                          {RecordKind::kDomain, "d"}};
    EXPECT_EQ(std::set<RecordKey>(found.begin(), found.end()), expected);
    const Store::LoadResult rows = store_->read(found);
    EXPECT_EQ(rows.records.size(), 3u) << "of the others there is no row";
    EXPECT_TRUE(rows.unreadable.empty());
  }

  void records_move_between_stores() {
    begin("export and import");
    std::vector<Change> all = a_record_of_each_kind();
    models::Task task = models::testing::a_task("ä");
    task.set_failed(true);
    task.set_result("line\nline \"quoted\" \\ \x01");
    all.push_back(Swap<TaskRecord>{nullptr, make_task(task)});
    store_->write(all);
    const std::string original = exported(*database_);
    EXPECT_EQ(original.find("environment"), std::string::npos);

    TestDatabases files(sql::Engine::kSqlite);
    const auto file = files.make();
    Store beside(*file, cipher_);
    move(*database_, beside);
    EXPECT_EQ(exported(*file), original);
    const auto back = databases_.make();
    Store there(*back, cipher_);
    move(*file, there);
    EXPECT_EQ(exported(*back), original);
    EXPECT_EQ(loaded(there).task("ä")->task.DebugString(), make_task(task)->task.DebugString());
  }

  void move(sql::Database& from, Store& to) {
    std::stringstream text;
    const std::size_t rows = export_records(from, text, {});
    EXPECT_EQ(import_records(to, text, Existing::kRefuse, {}), rows);
  }

  void imports_are_whole_or_nothing() {
    begin("refused imports");
    store_->write(a_record_of_each_kind());
    std::stringstream whole;
    export_records(*database_, whole, {});
    const auto import_text = [this](const std::string& text, Existing existing) {
      std::istringstream in(text);
      return import_records(*store_, in, existing, {});
    };
    EXPECT_THROW(import_text(whole.str(), Existing::kRefuse), UnusableDatabase);
    store_->write({Swap<DomainRecord>{nullptr, make_domain("kept", 1)}});
    const std::string cut = whole.str().substr(0, whole.str().size() / 2);
    EXPECT_THROW(import_text(cut, Existing::kReplace), UnusableExport);
    EXPECT_THROW(import_text("{}\n", Existing::kReplace), UnusableExport);
    const std::string doubled =
        whole.str().substr(0, whole.str().rfind("{\"end\"")) + whole.str().substr(whole.str().find('\n') + 1);
    EXPECT_THROW(import_text(doubled, Existing::kReplace), UnusableExport);
    const ColumnCipher unknown({{"k9", "x"}}, "k9"), mistaken({{"k1", "x"}}, "k1");
    for (const ColumnCipher* cipher : {&unknown, &mistaken}) {
      Store other(*database_, *cipher);
      std::istringstream in(whole.str());
      EXPECT_THROW(import_records(other, in, Existing::kReplace, {}), UnusableExport);
    }
    EXPECT_TRUE(loaded(*store_).domain("kept"));
    EXPECT_EQ(import_text(whole.str(), Existing::kReplace), 4u);
    EXPECT_FALSE(loaded(*store_).domain("kept"));
  }

  void the_health_check_needs_its_table() {
    begin("health check");
    check_database(*database_, 1);
    check_database(*database_, 2);
    EXPECT_EQ(text("SELECT COUNT(*) FROM bbs_health_check"), "1");
    database_->connect().execute("DROP TABLE bbs_health_check");
    try {
      check_database(*database_, 3);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const sql::Error& e) {
      EXPECT_EQ(e.error_class(), sql::ErrorClass::kMissingTable);
    }
  }

  TestDatabases databases_;
  const ColumnCipher cipher_{kKeys, "k1"};
  std::unique_ptr<::testing::ScopedTrace> trace_;
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<Store> store_;
  std::atomic<int> written_ = -1;
};

class StoreEngines : public ::testing::TestWithParam<sql::Engine> {};

TEST_P(StoreEngines, KeepTheStoresPromises) { StoreContract(GetParam()).check(); }

INSTANTIATE_TEST_SUITE_P(All, StoreEngines,
                         ::testing::Values(sql::Engine::kSqlite, sql::Engine::kPostgres, sql::Engine::kMysql));

}  // namespace
}  // namespace rivera::bbs
