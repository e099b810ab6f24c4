// What holds for SQLite (database_test.cc) holds for the servers, too. Each engine is one test, since starting a server
// takes longer than all that is asked of it.
#include <future>

#include <gtest/gtest.h>

#include "sql/database.h"
#include "sql/mysql_address.h"
#include "sql/testing/database_relay.h"
#include "sql/testing/test_servers.h"
#include "sql/testing/testing.h"

namespace rivera::sql {
namespace {

class Contract {
 public:
  explicit Contract(TestServer& server) : server_(server), config_(server.config()) {
    config_.operation_timeout = std::chrono::seconds(1);
    database_ = Database::open(config_);
    const auto& dialect = database_->dialect();
    database_->connect().execute_script("CREATE TABLE notes (name VARCHAR(20) PRIMARY KEY, " +
                                        dialect.varchar("body", 10) + ", number BIGINT, raw " +
                                        std::string(dialect.blob()) + ", flag " + std::string(dialect.boolean()) + ")");
  }

  void check() {
    values_come_back();
    changes_are_counted();
    batches_run_in_order();
    guarded_transactions_happen_whole_or_not_at_all();
    guard_waits_for_who_changes_its_row();
    failures_are_classified();
    transactions_roll_back();
    readers_see_one_state();
    waiting_for_a_lock_is_bounded();
    an_idle_transaction_gives_its_locks_up();
    queries_end_early();
    upserts_replace();
    a_silent_server_is_given_up();
    a_restarted_server_is_found_again();
  }

 private:
  void insert(Connection& connection, const char* name) {
    connection.execute("INSERT INTO notes (name) VALUES (?)", {name});
  }
  void clear() { database_->connect().execute("DELETE FROM notes"); }
  std::int64_t count() {
    std::int64_t rows = 0;
    database_->connect().query("SELECT COUNT(*) FROM notes", {}, [&](const Row& row) { rows = row.integer(0); });
    return rows;
  }

  void values_come_back() {
    SCOPED_TRACE("values");
    clear();
    auto connection = database_->connect();
    const std::string raw = std::string("\0\x01\xff'\\", 5) + std::string(5000, '\xfe');
    const auto sql = "INSERT INTO notes VALUES (?, ?, ?, ?, ?)";
    connection.execute(sql, {"n", "ä", -9'000'000'000, Blob{raw}, true});
    connection.execute(sql, {"null", nullptr, nullptr, nullptr, false});
    connection.execute(sql, {"zero", "", 0, Blob{""}, nullptr});
    int rows = 0;
    connection.query("SELECT body, number, raw, flag FROM notes ORDER BY name", {}, [&](const Row& row) {
      ASSERT_EQ(row.columns(), 4);
      if (rows == 0) {
        EXPECT_EQ(row.text(0), "ä");
        EXPECT_EQ(row.integer(1), -9'000'000'000);
        EXPECT_EQ(row.blob(2), raw);
        EXPECT_EQ(row.integer(3), 1);
      } else {
        EXPECT_EQ(row.is_null(0), rows == 1);
        EXPECT_EQ(row.text(0), "");
        EXPECT_EQ(row.integer(1), 0);
        EXPECT_EQ(row.blob(2), "");
        EXPECT_EQ(row.integer(3), 0);
      }
      ++rows;
      EXPECT_THROW(row.text(4), Error);
    });
    EXPECT_EQ(rows, 3);
  }

  void changes_are_counted() {
    SCOPED_TRACE("changes");
    clear();
    auto connection = database_->connect();
    for (const char* name : {"a", "b", "c"}) insert(connection, name);
    const auto update = "UPDATE notes SET number = ? WHERE name > ?";
    EXPECT_EQ(connection.execute(update, {7, "a"}), 2);
    EXPECT_EQ(connection.execute(update, {7, "a"}), 2);
    EXPECT_EQ(connection.execute("DELETE FROM notes WHERE name = ?", {"absent"}), 0);
  }

  void batches_run_in_order() {
    SCOPED_TRACE("batches");
    clear();
    constexpr int kMany = 500;
    std::vector<std::string> names;
    for (int i = 0; i < kMany; ++i) names.push_back("n" + std::to_string(i));
    std::vector<Statement> batch;
    for (const auto& name : names) batch.push_back({"INSERT INTO notes (name) VALUES (?)", {name}});
    batch.push_back({"UPDATE notes SET number = ?", {1}});
    const auto changed = database_->transact(TransactionMode::kWrite,
                                             [&](Connection& connection) { return connection.execute_batch(batch); });
    ASSERT_EQ(changed.size(), kMany + 1u);
    EXPECT_EQ(changed.back(), kMany);
    EXPECT_EQ(class_of_failure([&] {
                database_->transact(TransactionMode::kWrite,
                                    [&](Connection& connection) { connection.execute_batch(batch); });
              }),
              ErrorClass::kDuplicateKey);
    EXPECT_EQ(count(), kMany);
  }

  void guarded_transactions_happen_whole_or_not_at_all() {
    SCOPED_TRACE("guarded transactions");
    clear();
    auto connection = database_->connect();
    insert(connection, "guard");
    const std::string select = "SELECT 1 FROM notes WHERE name = ?" + std::string(database_->dialect().for_update());
    const Statement held{select, {"guard"}};
    std::vector<std::string> names;
    for (int i = 0; i < 200; ++i) names.push_back("g" + std::to_string(i));
    std::vector<Statement> batch;
    for (const auto& name : names) batch.push_back({"INSERT INTO notes (name) VALUES (?)", {name}});
    EXPECT_FALSE(database_->transact_if({select, {"absent"}}, batch));
    EXPECT_EQ(count(), 1);
    EXPECT_TRUE(database_->transact_if(held, {}));
    EXPECT_TRUE(database_->transact_if(held, batch));
    EXPECT_EQ(count(), 201);
    clear();
    insert(connection, "guard");
    insert(connection, names.back().c_str());
    EXPECT_EQ(class_of_failure([&] { connection.transact_if(held, batch); }), ErrorClass::kDuplicateKey);
    EXPECT_EQ(count(), 2) << "what came before the failure is gone";
    connection.execute("DELETE FROM notes WHERE name = ?", {names.back()});
    EXPECT_TRUE(connection.transact_if(held, batch)) << "the connection is as good as before";
  }

  void guard_waits_for_who_changes_its_row() {
    SCOPED_TRACE("guards wait");
    clear();
    auto changing = database_->connect();
    insert(changing, "guard");
    const std::string select =
        "SELECT 1 FROM notes WHERE name = ? AND number IS NULL" + std::string(database_->dialect().for_update());
    auto transaction = changing.begin();
    changing.execute("UPDATE notes SET number = 1 WHERE name = ?", {"guard"});
    auto guarded = std::async(std::launch::async, [&] {
      return database_->transact_if({select, {"guard"}}, {{"INSERT INTO notes (name) VALUES (?)", {"late"}}});
    });
    EXPECT_EQ(guarded.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
    transaction.commit();
    EXPECT_FALSE(guarded.get());
    EXPECT_EQ(count(), 1);
  }

  void failures_are_classified() {
    SCOPED_TRACE("failures");
    clear();
    auto connection = database_->connect();
    insert(connection, "a");
    EXPECT_EQ(class_of_failure([&] { insert(connection, "a"); }), ErrorClass::kDuplicateKey);
    EXPECT_EQ(class_of_failure([&] { connection.execute("UPDATE notes SET body = ?", {"eleven char"}); }),
              ErrorClass::kTooLong);
    EXPECT_EQ(class_of_failure([&] { connection.execute("DELETE FROM absent"); }), ErrorClass::kMissingTable);
    EXPECT_EQ(class_of_failure([&] { connection.execute("NONSENSE"); }), ErrorClass::kOther);
    EXPECT_EQ(connection.execute("UPDATE notes SET body = ?", {"ten chars."}), 1);
  }

  void transactions_roll_back() {
    SCOPED_TRACE("transactions");
    clear();
    {
      auto connection = database_->connect();
      const auto transaction = connection.begin();
      insert(connection, "a");
    }
    EXPECT_EQ(count(), 0);
    auto connection = database_->connect();
    auto transaction = connection.begin();
    insert(connection, "a");
    transaction.commit();
    EXPECT_EQ(count(), 1);
  }

  void readers_see_one_state() {
    SCOPED_TRACE("readers");
    clear();
    auto reader = database_->connect();
    const auto read = reader.begin(TransactionMode::kRead);
    const auto seen = [&] {
      std::int64_t rows = -1;
      reader.query("SELECT COUNT(*) FROM notes", {}, [&](const Row& row) { rows = row.integer(0); });
      return rows;
    };
    EXPECT_EQ(seen(), 0);
    auto writer = database_->connect();
    insert(writer, "a");
    EXPECT_EQ(seen(), 0);
  }

  void waiting_for_a_lock_is_bounded() {
    SCOPED_TRACE("locks");
    clear();
    auto first = database_->connect();
    insert(first, "a");
    const auto transaction = first.begin();
    first.execute("UPDATE notes SET number = ?", {1});
    auto second = database_->connect();
    EXPECT_EQ(class_of_failure([&] { second.execute("UPDATE notes SET number = ?", {2}); }), ErrorClass::kDeadlock);
  }

  // Whose process was stopped must not keep its successor waiting for as long as it is.
  void an_idle_transaction_gives_its_locks_up() {
    SCOPED_TRACE("idle transaction");
    clear();
    DatabaseConfig config = config_;
    config.idle_transaction_timeout = std::chrono::seconds(1);
    config.operation_timeout = std::chrono::seconds(60);
    const auto database = Database::open(config);
    auto stopped = database->connect();
    insert(stopped, "a");
    auto transaction = stopped.begin();
    stopped.execute("UPDATE notes SET number = ?", {1});
    auto successor = database->connect();
    EXPECT_EQ(successor.execute("UPDATE notes SET number = ?", {2}), 1);
    EXPECT_EQ(class_of_failure([&] { transaction.commit(); }), ErrorClass::kConnection);
  }

  void queries_end_early() {
    SCOPED_TRACE("queries");
    clear();
    auto connection = database_->connect();
    for (const char* name : {"a", "b", "c"}) insert(connection, name);
    const auto sql = "SELECT name FROM notes ORDER BY name";
    EXPECT_THROW(connection.query(sql, {}, [](const Row&) { throw std::length_error("enough"); }), std::length_error);
    EXPECT_TRUE(connection.query_one(sql, {}, [](const Row& row) { EXPECT_EQ(row.text(0), "a"); }));
    EXPECT_FALSE(connection.query_one("SELECT name FROM notes WHERE name = ?", {"z"}, [](const Row&) {}));
    int rows = 0;
    connection.query(sql, {}, [&](const Row&) { ++rows; });
    EXPECT_EQ(rows, 3);
  }

  void upserts_replace() {
    SCOPED_TRACE("upserts");
    clear();
    const auto text = database_->dialect().upsert("notes", {"name"}, {"body", "number"});
    auto connection = database_->connect();
    connection.execute(text, {"a", "one", 1});
    connection.execute(text, {"a", "two", 2});
    connection.query("SELECT body, number FROM notes", {}, [](const Row& row) {
      EXPECT_EQ(row.text(0), "two");
      EXPECT_EQ(row.integer(1), 2);
    });
    EXPECT_EQ(count(), 1);
    std::vector<std::string> columns;
    connection.query(database_->dialect().columns_of_table_query(), {"notes"},
                     [&](const Row& row) { columns.emplace_back(row.text(0)); });
    EXPECT_EQ(columns, (std::vector<std::string>{"name", "body", "number", "raw", "flag"}));
  }

  // It was stopped, or its disk hangs: the kernel of its machine keeps the connection.
  void a_silent_server_is_given_up() {
    SCOPED_TRACE("silence");
    clear();
    DatabaseRelay relay(server_);
    DatabaseConfig config = relay.config();
    config.read_timeout = std::chrono::seconds(1);
    const auto database = Database::open(config);
    const auto call = [&](auto use) {
      auto connection = database->connect();
      relay.hang();
      const auto begun = std::chrono::steady_clock::now();
      EXPECT_EQ(class_of_failure([&] { use(connection); }), ErrorClass::kConnection);
      EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
      relay.forward();
    };
    call([](Connection& c) { c.execute("DELETE FROM notes"); });
    call([](Connection& c) { c.query("SELECT name FROM notes", {}, [](const Row&) {}); });
    call([](Connection& c) { c.execute_batch({{"DELETE FROM notes", {}}, {"DELETE FROM notes", {}}}); });
    call([](Connection& c) { c.begin(); });
    EXPECT_EQ(database->connect().execute("DELETE FROM notes"), 0);
  }

  void a_restarted_server_is_found_again() {
    SCOPED_TRACE("restart");
    clear();
    auto connection = database_->connect();
    auto transaction = connection.begin();
    insert(connection, "lost");
    server_.kill();
    EXPECT_EQ(class_of_failure([&] { transaction.commit(); }), ErrorClass::kConnection);
    server_.start();
    // The idle connections of the pool are broken as well: transact() finds a good one.
    database_->transact(TransactionMode::kWrite, [this](Connection& other) { insert(other, "kept"); });
    EXPECT_EQ(count(), 1);
  }

  TestServer& server_;
  DatabaseConfig config_;
  std::unique_ptr<Database> database_;
};

class ServerEngine : public testing::TestWithParam<Engine> {};

TEST_P(ServerEngine, DoesAllThatSqliteDoes) {
  ASSERT_TRUE(TestServer::is_installed(GetParam())) << "install the server: tools/install-packages";
  TestServer server(GetParam());
  Contract(server).check();
}

INSTANTIATE_TEST_SUITE_P(Engines, ServerEngine, testing::Values(Engine::kPostgres, Engine::kMysql),
                         [](const auto& engine) { return std::string(to_string(engine.param)); });

TEST(MysqlAddress, IsReadAsGosDriverReadsIt) {
  const auto tcp = parse_mysql_address("diego:p@ss/w:rd@tcp(db.example:3307)/diego?parseTime=true");
  EXPECT_EQ(tcp.user, "diego");
  EXPECT_EQ(tcp.password, "p@ss/w:rd");
  EXPECT_EQ(tcp.host, "db.example");
  EXPECT_EQ(tcp.port, 3307u);
  EXPECT_EQ(tcp.schema, "diego");
  EXPECT_EQ(parse_mysql_address("u@tcp([::1]:1)/s").host, "::1");
  EXPECT_EQ(parse_mysql_address("u@tcp(h)/s").port, 3306u);
  EXPECT_EQ(parse_mysql_address("u:@unix(/run/my/sql.sock)/s").unix_socket, "/run/my/sql.sock");
}

TEST(MysqlAddress, NeverShowsAPasswordWhenItIsWrong) {
  for (const char* text :
       {"", "secret", "u:secret@tcp(h:x)/s", "u:secret@udp(h)/s", "u:secret@tcp(h", "u:secret@tcp(h)s"}) {
    try {
      parse_mysql_address(text);
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()).find("secret"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace rivera::sql
