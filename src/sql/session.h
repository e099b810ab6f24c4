// What an engine has to provide. For the .cc files of this folder: all others use Connection.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "sql/database.h"

namespace rivera::sql {

// One native connection. Every call throws sql::Error. Used by one thread at a time.
class Session {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  virtual ~Session() = default;
  virtual std::int64_t execute(std::string_view sql, const Parameters& parameters) = 0;
  // Stops after the first row if `first_only`. Returns whether there was a row.
  virtual bool query(std::string_view sql, const Parameters& parameters, const RowVisitor& visit, bool first_only) = 0;
  virtual std::vector<std::int64_t> execute_batch(const std::vector<Statement>& statements) = 0;
  virtual void execute_script(std::string_view sql) = 0;
  virtual void begin(TransactionMode mode) = 0;
  virtual void commit() = 0;
  // What Connection::transact_if() says.
  virtual bool transact_if(const Statement& guard, const std::vector<Statement>& statements);
  // Also after a failure that has ended the transaction already. If it throws, the session is not usable any more.
  virtual void rollback() = 0;
  // Without throwing.
  void roll_back_quietly();
  // False once the connection is known to be broken.
  virtual bool is_usable() const = 0;

  // From another thread: makes the call that waits for the server fail with kConnection. Nothing to do where there is
  // no server.
  virtual void cut() {}
  // When a long call last had an answer to one of its statements.
  Instant heard_at() const { return Instant(Instant::duration(heard_at_.load())); }

  Instant opened_at = std::chrono::steady_clock::now();

 protected:
  void heard() { heard_at_ = std::chrono::steady_clock::now().time_since_epoch().count(); }

 private:
  std::atomic<Instant::rep> heard_at_ = 0;
};

// A connection's socket as another thread may cut it, even while its owner closes it.
class Cable {
 public:
  Cable() = default;
  explicit Cable(int socket);  // duplicated
  void cut() const;

 private:
  base::UniqueFd socket_;
};

// Makes sessions of one database. May be used from any thread.
class Driver {
 public:
  virtual ~Driver() = default;
  virtual std::unique_ptr<Session> connect() = 0;
  // The most connections that make sense.
  virtual std::size_t connection_limit() const = 0;
};

std::unique_ptr<Driver> make_sqlite_driver(const DatabaseConfig& config);
std::unique_ptr<Driver> make_postgres_driver(const DatabaseConfig& config);
std::unique_ptr<Driver> make_mysql_driver(const DatabaseConfig& config);

}  // namespace rivera::sql
