// One relational database, whichever engine it is.
//
// Everything here blocks: call it on a base::WorkerPool. Statements are written once, with "?" for values; what differs
// between engines is asked of Dialect. Prepared statements are cached per connection by their text, so build texts from
// constants and never put a value into one.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sql/database_config.h"
#include "sql/dialect.h"
#include "sql/error.h"
#include "sql/value.h"

namespace rivera::sql {

class Session;
class Transaction;
struct Pool;

// What a transaction is for. A read sees one consistent state of the database. With SQLite writes are one at a time:
// begin(kWrite) waits its turn, at most operation_timeout.
enum class TransactionMode { kRead, kWrite };

// A connection on loan from the pool, given back by the destructor (dropped if it broke). Used by one thread at a time.
// Every call throws sql::Error.
class Connection {
 public:
  ~Connection();
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&&) = delete;

  // Runs a statement that gives no rows. Returns how many rows it changed. Outside a transaction it commits by itself.
  std::int64_t execute(std::string_view sql, Parameters parameters = {});
  // Calls `visit` for each row as it comes: memory stays bounded by one row where the engine allows.
  // `visit` must not use this connection; what it throws ends the query and is thrown on.
  void query(std::string_view sql, Parameters parameters, const RowVisitor& visit);
  // True if there was a row; `visit` sees the first one only.
  bool query_one(std::string_view sql, Parameters parameters, const RowVisitor& visit);
  // Runs statements in order with as few round trips as the engine allows; returns the rows changed by each. The first
  // failure ends it. Call it within a transaction.
  std::vector<std::int64_t> execute_batch(const std::vector<Statement>& statements);
  // A write transaction in as few round trips as the engine allows: runs `statements` and commits. Only if `guard`, a
  // SELECT of one column, finds a row: else nothing happens and it returns false. Call it outside of transactions. If
  // it throws a kConnection error the outcome is unknown.
  bool transact_if(const Statement& guard, const std::vector<Statement>& statements);
  // Several statements in one text, without parameters: for schemas.
  void execute_script(std::string_view sql);

  // At most one at a time.
  Transaction begin(TransactionMode mode = TransactionMode::kWrite);

  const Dialect& dialect() const;

 private:
  friend class Database;
  friend class Transaction;
  Connection(std::shared_ptr<Pool> pool, std::unique_ptr<Session> session);

  std::shared_ptr<Pool> pool_;
  std::unique_ptr<Session> session_;
};

// An open transaction: rolled back by the destructor unless commit() has returned. Durable once commit() has returned.
class Transaction {
 public:
  explicit Transaction(Connection& connection) : connection_(&connection) {}
  ~Transaction();
  Transaction(Transaction&& other) noexcept : connection_(other.connection_) { other.connection_ = nullptr; }
  Transaction& operator=(Transaction&&) = delete;

  // If it throws a kConnection error the outcome is unknown.
  void commit();
  void rollback();

 private:
  Connection* connection_;  // null once it is over
};

// What the pool and its statements have done since the start (docs/spec/locket-and-auction.md §1.9).
struct DatabaseStatistics {
  std::int64_t open_connections = 0;
  std::int64_t waits = 0;  // for a free connection
  std::chrono::nanoseconds waited{0};
  std::int64_t queries = 0;  // BEGIN and COMMIT count too; a transact_if() is one
  std::int64_t queries_succeeded = 0;
  std::int64_t queries_failed = 0;
  std::int64_t queries_in_flight_max = 0;          // since the last call
  std::chrono::nanoseconds query_duration_max{0};  // since the last call
};

// May be used from any thread. Connections must not outlive it.
class Database {
 public:
  // Connects once to see that it works. Throws sql::Error.
  static std::unique_ptr<Database> open(const DatabaseConfig& config);
  ~Database();

  // Waits for a free connection, at most operation_timeout (kTimeout).
  Connection connect();

  // Runs `body(Connection&)` in a transaction and commits. Runs it again, up to three times 500 ms apart, where it
  // failed with a deadlock or a broken connection (docs/spec/locket-and-auction.md §1.5), so it must be repeatable.
  // Where the connection broke in one of the attempts and none succeeded, the outcome is unknown and the error is
  // kConnection, whatever the last attempt failed with.
  template <typename Body>
  auto transact(TransactionMode mode, Body body) {
    return attempt_thrice([mode, &body](Connection& connection) {
      Transaction transaction = connection.begin(mode);
      if constexpr (std::is_void_v<std::invoke_result_t<Body&, Connection&>>) {
        body(connection);
        transaction.commit();
      } else {
        auto result = body(connection);
        transaction.commit();
        return result;
      }
    });
  }

  // Connection::transact_if(), repeated as transact() repeats.
  bool transact_if(const Statement& guard, const std::vector<Statement>& statements) {
    return attempt_thrice([&](Connection& connection) { return connection.transact_if(guard, statements); });
  }

  Engine engine() const;
  const Dialect& dialect() const;
  DatabaseStatistics take_statistics();

  // Does not block. Makes the calls fail (kConnection) in which a statement has waited for the server's answer for
  // `silence` or longer: the server hangs, or is unreachable without an error.
  void cut_silent_connections(std::chrono::nanoseconds silence);

 private:
  explicit Database(std::shared_ptr<Pool> pool);

  template <typename Attempt>
  std::invoke_result_t<Attempt&, Connection&> attempt_thrice(Attempt attempt) {
    bool in_doubt = false;
    for (int count = 1;; ++count) {
      try {
        Connection connection = connect();
        return attempt(connection);
      } catch (const Error& e) {
        in_doubt = in_doubt || e.error_class() == ErrorClass::kConnection;
        if (count == 3 || !e.is_transient()) give_up(e, in_doubt);
      }
      pause_before_retry();
    }
  }
  static void pause_before_retry();
  [[noreturn]] static void give_up(const Error& last, bool in_doubt);
  std::shared_ptr<Pool> pool_;
};

}  // namespace rivera::sql
