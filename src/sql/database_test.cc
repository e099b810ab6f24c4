#include "sql/database.h"

#include <atomic>
#include <csignal>
#include <fstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include "base/config/config.h"
#include "base/files.h"
#include "sql/testing/testing.h"

namespace rivera::sql {
namespace {

class SqliteDatabase : public testing::Test {
 protected:
  SqliteDatabase() {
    config_.connection_string = (directory_.path() / "test.db").string();
    config_.operation_timeout = std::chrono::milliseconds(200);
    database_ = Database::open(config_);
    auto connection = database_->connect();
    connection.execute_script("CREATE TABLE notes (name " + std::string("VARCHAR(20) PRIMARY KEY") + ", " +
                              database_->dialect().varchar("body", 10) + ", number BIGINT, raw BLOB)");
  }

  std::int64_t count() {
    std::int64_t rows = 0;
    database_->connect().query("SELECT COUNT(*) FROM notes", {}, [&](const Row& row) { rows = row.integer(0); });
    return rows;
  }

  base::TemporaryDirectory directory_{"rivera-sql-test-"};
  DatabaseConfig config_;
  std::unique_ptr<Database> database_;
};

TEST_F(SqliteDatabase, GivesBackEveryKindOfValueAsItWasStored) {
  auto connection = database_->connect();
  const std::string raw("\0\x01\xff", 3);
  connection.execute("INSERT INTO notes VALUES (?, ?, ?, ?)", {"n", "", -9'000'000'000, Blob{raw}});
  connection.execute("INSERT INTO notes VALUES (?, ?, ?, ?)", {"null", nullptr, nullptr, nullptr});

  std::vector<std::string> seen;
  connection.query("SELECT name, body, number, raw FROM notes ORDER BY name", {}, [&](const Row& row) {
    ASSERT_EQ(row.columns(), 4);
    seen.emplace_back(row.text(0));
    if (seen.size() == 1) {
      EXPECT_FALSE(row.is_null(1));
      EXPECT_EQ(row.text(1), "");
      EXPECT_EQ(row.integer(2), -9'000'000'000);
      EXPECT_EQ(row.blob(3), raw);
    } else {
      EXPECT_TRUE(row.is_null(1));
      EXPECT_EQ(row.text(1), "");
      EXPECT_EQ(row.integer(2), 0);
      EXPECT_EQ(row.blob(3), "");
    }
    EXPECT_THROW(row.text(4), Error);
  });
  EXPECT_EQ(seen, (std::vector<std::string>{"n", "null"}));
}

TEST_F(SqliteDatabase, ReportsHowManyRowsAStatementChanged) {
  auto connection = database_->connect();
  for (const char* name : {"a", "b", "c"}) connection.execute("INSERT INTO notes (name) VALUES (?)", {name});
  EXPECT_EQ(connection.execute("UPDATE notes SET number = ? WHERE name > ?", {7, "a"}), 2);
  EXPECT_EQ(connection.execute("DELETE FROM notes WHERE name = ?", {"absent"}), 0);
  const std::vector<Statement> batch = {{"DELETE FROM notes WHERE number = ?", {7}},
                                        {"INSERT INTO notes (name) VALUES (?)", {"d"}}};
  EXPECT_EQ(connection.execute_batch(batch), (std::vector<std::int64_t>{2, 1}));
}

TEST_F(SqliteDatabase, ClassifiesFailures) {
  auto connection = database_->connect();
  connection.execute("INSERT INTO notes (name) VALUES (?)", {"a"});
  EXPECT_EQ(class_of_failure([&] { connection.execute("INSERT INTO notes (name) VALUES (?)", {"a"}); }),
            ErrorClass::kDuplicateKey);
  EXPECT_EQ(class_of_failure([&] {
              connection.execute("INSERT INTO notes (name, body) VALUES (?, ?)", {"b", "eleven char"});
            }),
            ErrorClass::kTooLong);
  EXPECT_EQ(class_of_failure([&] { connection.execute("DELETE FROM absent"); }), ErrorClass::kMissingTable);
  EXPECT_EQ(class_of_failure([&] { connection.execute("DELETE FROM notes WHERE name = ?"); }), ErrorClass::kOther);
  EXPECT_EQ(class_of_failure([&] { connection.execute("NONSENSE"); }), ErrorClass::kOther);
  connection.execute_script("PRAGMA max_page_count = 10");
  const std::string large(1 << 20, 'x');
  EXPECT_EQ(class_of_failure([&] { connection.execute("UPDATE notes SET raw = ?", {Blob{large}}); }),
            ErrorClass::kDiskFull);
}

TEST_F(SqliteDatabase, SaysThatAFileCannotBeOpened) {
  config_.connection_string = (directory_.path() / "absent" / "x.db").string();
  EXPECT_EQ(class_of_failure([&] { Database::open(config_); }), ErrorClass::kConnection);
}

TEST_F(SqliteDatabase, RollsBackATransactionThatWasNotCommitted) {
  {
    auto connection = database_->connect();
    const auto transaction = connection.begin();
    connection.execute("INSERT INTO notes (name) VALUES (?)", {"a"});
  }
  EXPECT_EQ(count(), 0);
  EXPECT_THROW(database_->transact(TransactionMode::kWrite,
                                   [](Connection& connection) {
                                     connection.execute("INSERT INTO notes (name) VALUES (?)", {"a"});
                                     throw std::runtime_error("changed my mind");
                                   }),
               std::runtime_error);
  EXPECT_EQ(count(), 0);
  const int result = database_->transact(TransactionMode::kWrite, [](Connection& connection) {
    connection.execute("INSERT INTO notes (name) VALUES (?)", {"a"});
    return 5;
  });
  EXPECT_EQ(result, 5);
  EXPECT_EQ(count(), 1);
}

// The attempt whose connection broke may have been committed: what the last one failed with says nothing about it.
TEST_F(SqliteDatabase, SaysThatTheOutcomeIsUnknownWhenOneOfItsAttemptsLostTheConnection) {
  for (const ErrorClass last : {ErrorClass::kDeadlock, ErrorClass::kOther}) {
    int attempt = 0;
    const auto fail = [&](Connection&) {
      throw Error(++attempt == 1 ? ErrorClass::kConnection : last, "native", "as the test wants it");
    };
    EXPECT_EQ(class_of_failure([&] { database_->transact(TransactionMode::kWrite, fail); }), ErrorClass::kConnection);
    EXPECT_EQ(attempt, last == ErrorClass::kDeadlock ? 3 : 2);
  }
}

TEST_F(SqliteDatabase, RefusesToCommitWhatAFullDiskHasRolledBack) {
  auto connection = database_->connect();
  connection.execute_script("PRAGMA max_page_count = 10; PRAGMA cache_size = 2");
  const std::string large(100'000, 'x');
  auto transaction = connection.begin();
  connection.execute("INSERT INTO notes (name) VALUES (?)", {"a"});
  EXPECT_EQ(class_of_failure([&] {
              connection.execute("INSERT INTO notes (name, raw) VALUES (?, ?)", {"b", Blob{large}});
            }),
            ErrorClass::kDiskFull);
  bool committed = true;
  try {
    transaction.commit();
  } catch (const Error&) {
    committed = false;
    transaction.rollback();
  }
  // Whichever way SQLite went: what it says is what is stored.
  EXPECT_EQ(count(), committed ? 1 : 0);
}

TEST_F(SqliteDatabase, LetsAReaderSeeOneStateWhileAnotherWrites) {
  auto reader = database_->connect();
  const auto read = reader.begin(TransactionMode::kRead);
  const auto seen = [&] {
    std::int64_t rows = -1;
    reader.query("SELECT COUNT(*) FROM notes", {}, [&](const Row& row) { rows = row.integer(0); });
    return rows;
  };
  EXPECT_EQ(seen(), 0);
  database_->connect().execute("INSERT INTO notes (name) VALUES (?)", {"a"});
  EXPECT_EQ(seen(), 0);
  EXPECT_EQ(count(), 1);
}

TEST_F(SqliteDatabase, SerialisesWritersWithoutLosingAnUpdate) {
  config_.operation_timeout = std::chrono::seconds(60);
  const auto database = Database::open(config_);
  database->connect().execute("INSERT INTO notes (name, number) VALUES (?, ?)", {"counter", 0});
  constexpr int kThreads = 4;
  constexpr int kRounds = 25;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        database->transact(TransactionMode::kWrite, [](Connection& connection) {
          std::int64_t number = 0;
          connection.query_one("SELECT number FROM notes WHERE name = ?", {"counter"},
                               [&](const Row& row) { number = row.integer(0); });
          connection.execute("UPDATE notes SET number = ? WHERE name = ?", {number + 1, "counter"});
        });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::int64_t number = 0;
  database->connect().query("SELECT number FROM notes", {}, [&](const Row& row) { number = row.integer(0); });
  EXPECT_EQ(number, kThreads * kRounds);
}

TEST_F(SqliteDatabase, CallsAWriterThatWaitedTooLongADeadlock) {
  auto first = database_->connect();
  const auto transaction = first.begin();
  auto second = database_->connect();
  EXPECT_EQ(class_of_failure([&] { second.begin(); }), ErrorClass::kDeadlock);
}

TEST_F(SqliteDatabase, WaitsForAWriterOfAnotherProcess) {
  // Another Database on the file stands for another process: they share no turn.
  const auto other = Database::open(config_);
  auto foreign = other->connect();
  auto transaction = foreign.begin();
  auto connection = database_->connect();
  EXPECT_EQ(class_of_failure([&] { connection.begin(); }), ErrorClass::kDeadlock);
  transaction.rollback();
  connection.execute("INSERT INTO notes (name) VALUES (?)", {"a"});
  EXPECT_EQ(count(), 1);
}

TEST_F(SqliteDatabase, LimitsConnectionsAndSaysSo) {
  config_.max_open_connections = 1;
  const auto database = Database::open(config_);
  {
    const auto held = database->connect();
    EXPECT_EQ(class_of_failure([&] { database->connect(); }), ErrorClass::kTimeout);
  }
  database->connect().execute("INSERT INTO notes (name) VALUES (?)", {"a"});
  EXPECT_THROW(database->connect().execute("INSERT INTO notes (name) VALUES (?)", {"a"}), Error);
  const auto statistics = database->take_statistics();
  EXPECT_EQ(statistics.open_connections, 1);
  EXPECT_EQ(statistics.waits, 1);
  EXPECT_EQ(statistics.queries, 2);
  EXPECT_EQ(statistics.queries_failed, 1);
  EXPECT_GT(statistics.query_duration_max.count(), 0);
  EXPECT_EQ(database->take_statistics().query_duration_max.count(), 0);
}

TEST_F(SqliteDatabase, KeepsWhatWasCommittedWhenTheProcessIsKilled) {
  const auto path = config_.connection_string;
  const pid_t child = fork();
  if (child == 0) {
    const auto database = Database::open(config_);
    auto connection = database->connect();
    auto committed = connection.begin();
    connection.execute("INSERT INTO notes (name) VALUES (?)", {"committed"});
    committed.commit();
    const auto open = connection.begin();
    connection.execute("INSERT INTO notes (name) VALUES (?)", {"open"});
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  std::vector<std::string> names;
  Database::open(config_)->connect().query("SELECT name FROM notes", {},
                                           [&](const Row& row) { names.emplace_back(row.text(0)); });
  EXPECT_EQ(names, std::vector<std::string>{"committed"});
}

TEST_F(SqliteDatabase, AVisitorMayEndAQueryByThrowing) {
  auto connection = database_->connect();
  for (const char* name : {"a", "b"}) connection.execute("INSERT INTO notes (name) VALUES (?)", {name});
  EXPECT_THROW(connection.query("SELECT name FROM notes", {}, [](const Row&) { throw std::length_error("enough"); }),
               std::length_error);
  int rows = 0;
  connection.query("SELECT name FROM notes", {}, [&](const Row&) { ++rows; });
  EXPECT_EQ(rows, 2);
  EXPECT_TRUE(connection.query_one("SELECT name FROM notes", {}, [](const Row&) {}));
  EXPECT_FALSE(connection.query_one("SELECT name FROM notes WHERE name = ?", {"z"}, [](const Row&) {}));
}

TEST_F(SqliteDatabase, UpsertsByTheDialectsText) {
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
  EXPECT_EQ(columns, (std::vector<std::string>{"name", "body", "number", "raw"}));
}

TEST(Dialect, TranslatesPlaceholdersOutsideQuotesOnly) {
  EXPECT_EQ(translate_placeholders("SELECT '?', \"a?\" FROM t WHERE x = ? AND y = ?", Engine::kPostgres),
            "SELECT '?', \"a?\" FROM t WHERE x = $1 AND y = $2");
  EXPECT_EQ(translate_placeholders("x = ?", Engine::kMysql), "x = ?");
}

TEST(Dialect, WritesUpsertsInEachLanguage) {
  EXPECT_EQ(Dialect(Engine::kPostgres).upsert("t", {"a", "b"}, {"c"}),
            "INSERT INTO t (a, b, c) VALUES (?, ?, ?) ON CONFLICT (a, b) DO UPDATE SET c = excluded.c");
  EXPECT_EQ(Dialect(Engine::kMysql).upsert("t", {"a"}, {"c"}),
            "INSERT INTO t (a, c) VALUES (?, ?) ON DUPLICATE KEY UPDATE c = VALUES(c)");
  EXPECT_EQ(Dialect(Engine::kSqlite).upsert("t", {"a"}, {}), "INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO NOTHING");
}

base::ConfigFile config_of(const char* json) {
  return base::ConfigFile("test.json", boost::json::parse(json).as_object(), database_keys());
}

TEST(DatabaseConfig, ReadsUpstreamsKeys) {
  const auto config = read_database_config(config_of(R"({"database_driver": "postgres",
      "database_connection_string": "postgres://a:b@c/d", "max_open_database_connections": 50,
      "max_database_connection_lifetime": "1h", "sql_ca_cert_file": "/ca", "sql_enable_identity_verification": true,
      "db_operation_timeout": "3s", "max_idle_database_connections": 5, "db_connection_timeout": "4s",
      "db_read_timeout": "5s", "db_write_timeout": "6s"})"));
  EXPECT_STREQ(to_string(config.engine), "postgres");
  EXPECT_EQ(config.max_open_connections, 50u);
  EXPECT_EQ(config.max_connection_lifetime, std::chrono::hours(1));
  EXPECT_EQ(config.ca_cert_file, "/ca");
  EXPECT_TRUE(config.verify_identity);
  EXPECT_EQ(config.operation_timeout, std::chrono::seconds(3));
  EXPECT_EQ(config.max_idle_connections, 5u);
  EXPECT_EQ(config.connection_timeout, std::chrono::seconds(4));
  EXPECT_EQ(config.read_timeout, std::chrono::seconds(5));
  EXPECT_EQ(config.write_timeout, std::chrono::seconds(6));
}

TEST(DatabaseConfig, KeepsAsManyConnectionsAsItMayOpen) {
  const auto config = read_database_config(config_of(
      R"({"database_driver": "mysql", "database_connection_string": "x", "max_open_database_connections": 50})"));
  EXPECT_EQ(config.max_idle_connections, 50u);
  EXPECT_EQ(config.read_timeout, std::chrono::minutes(10));
}

TEST(DatabaseConfig, RefusesAnUnknownDriverAndAMissingDatabase) {
  EXPECT_THROW(read_database_config(config_of(R"({"database_driver": "oracle", "database_connection_string": "x"})")),
               base::ConfigError);
  EXPECT_THROW(read_database_config(config_of(R"({"database_driver": "sqlite3"})")), base::ConfigError);
}

}  // namespace
}  // namespace rivera::sql
