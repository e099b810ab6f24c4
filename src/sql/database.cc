#include "sql/database.h"

#include <thread>
#include <utility>

#include "sql/pool.h"

namespace rivera::sql {
namespace {

std::unique_ptr<Driver> make_driver(const DatabaseConfig& config) {
  switch (config.engine) {
    case Engine::kSqlite:
      return make_sqlite_driver(config);
    case Engine::kPostgres:
      return make_postgres_driver(config);
    case Engine::kMysql:
      return make_mysql_driver(config);
  }
  throw std::logic_error("unknown database engine");
}

}  // namespace

bool Session::transact_if(const Statement& guard, const std::vector<Statement>& statements) {
  begin(TransactionMode::kWrite);
  try {
    const bool may = query(
        guard.sql, guard.parameters, [](const Row&) {}, true);
    if (may) {
      execute_batch(statements);
      commit();
    } else {
      rollback();
    }
    return may;
  } catch (const Error&) {
    roll_back_quietly();
    throw;
  }
}

void Session::roll_back_quietly() {
  try {
    rollback();
  } catch (const Error&) {
    // The session has marked itself unusable; the pool drops it and the server rolls back by itself.
  }
}

Connection::Connection(std::shared_ptr<Pool> pool, std::unique_ptr<Session> session)
    : pool_(std::move(pool)), session_(std::move(session)) {}
Connection::Connection(Connection&& other) noexcept = default;

Connection::~Connection() {
  if (session_) pool_->give_back(std::move(session_));
}

std::int64_t Connection::execute(std::string_view sql, Parameters parameters) {
  return pool_->measured(*session_, [&] { return session_->execute(sql, parameters); });
}

void Connection::query(std::string_view sql, Parameters parameters, const RowVisitor& visit) {
  pool_->measured(*session_, [&] { session_->query(sql, parameters, visit, false); });
}

bool Connection::query_one(std::string_view sql, Parameters parameters, const RowVisitor& visit) {
  return pool_->measured(*session_, [&] { return session_->query(sql, parameters, visit, true); });
}

std::vector<std::int64_t> Connection::execute_batch(const std::vector<Statement>& statements) {
  return pool_->measured(*session_, [&] { return session_->execute_batch(statements); });
}

bool Connection::transact_if(const Statement& guard, const std::vector<Statement>& statements) {
  return pool_->measured(*session_, [&] { return session_->transact_if(guard, statements); });
}

void Connection::execute_script(std::string_view sql) {
  pool_->measured(*session_, [&] { session_->execute_script(sql); });
}

Transaction Connection::begin(TransactionMode mode) {
  pool_->measured(*session_, [&] { session_->begin(mode); });
  return Transaction(*this);
}

const Dialect& Connection::dialect() const { return pool_->dialect; }

void Transaction::commit() {
  if (connection_ == nullptr) return;
  connection_->pool_->measured(*connection_->session_, [&] { connection_->session_->commit(); });
  connection_ = nullptr;
}

void Transaction::rollback() {
  if (connection_ == nullptr) return;
  auto* connection = std::exchange(connection_, nullptr);
  connection->pool_->measured(*connection->session_, [&] { connection->session_->rollback(); });
}

Transaction::~Transaction() {
  if (connection_ == nullptr) return;
  connection_->pool_->measured(*connection_->session_, [this] { connection_->session_->roll_back_quietly(); });
}

std::unique_ptr<Database> Database::open(const DatabaseConfig& config) {
  auto pool = std::make_shared<Pool>(config, make_driver(config));
  std::unique_ptr<Database> database(new Database(pool));
  database->connect();
  return database;
}

Database::Database(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}
Database::~Database() = default;

Connection Database::connect() { return Connection(pool_, pool_->take()); }

void Database::pause_before_retry() { std::this_thread::sleep_for(std::chrono::milliseconds(500)); }

void Database::give_up(const Error& last, bool in_doubt) {
  if (!in_doubt || last.error_class() == ErrorClass::kConnection) throw last;
  throw Error(ErrorClass::kConnection, last.native_code(),
              std::string("after a broken connection, with an unknown outcome: ") + last.what());
}

Engine Database::engine() const { return pool_->config.engine; }
const Dialect& Database::dialect() const { return pool_->dialect; }
void Database::cut_silent_connections(std::chrono::nanoseconds silence) { pool_->cut_silent(silence); }
DatabaseStatistics Database::take_statistics() { return pool_->take_statistics(); }

}  // namespace rivera::sql
