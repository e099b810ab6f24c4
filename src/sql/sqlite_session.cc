// SQLite: one file, many readers and one writer at a time (write-ahead log, every commit synchronised to disk).
#include <condition_variable>
#include <mutex>
#include <unordered_map>

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/duration.h"
#include "sql/session.h"

namespace rivera::sql {
namespace {

constexpr std::size_t kCachedStatements = 256;

ErrorClass classify(int code) {
  if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_ROWID) {
    return ErrorClass::kDuplicateKey;
  }
  // The only checks in our schemas are those of Dialect::varchar().
  if (code == SQLITE_CONSTRAINT_CHECK || code == SQLITE_TOOBIG) return ErrorClass::kTooLong;
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorClass::kDeadlock;
    case SQLITE_FULL:
      return ErrorClass::kDiskFull;
    case SQLITE_CANTOPEN:
      return ErrorClass::kConnection;
    default:
      return ErrorClass::kOther;
  }
}

[[noreturn]] void fail(sqlite3* db, const std::string& doing) {
  const int code = sqlite3_extended_errcode(db);
  const std::string reason = sqlite3_errmsg(db);
  auto error_class = classify(code);
  if ((code & 0xff) == SQLITE_ERROR && reason.starts_with("no such table")) error_class = ErrorClass::kMissingTable;
  throw Error(error_class, std::to_string(code), fmt::format("{}: {}", doing, reason));
}

// The order of writers among the connections of this process: waiting here is fair and wakes at once, where
// SQLite's own waiting polls.
class WriteTurn {
 public:
  void take(std::chrono::nanoseconds limit) {
    std::unique_lock lock(mutex_);
    if (!freed_.wait_for(lock, limit, [this] { return !taken_; })) {
      throw Error(ErrorClass::kDeadlock, "",
                  fmt::format("no turn to write to the database within {}", base::format_go_duration(limit)));
    }
    taken_ = true;
  }
  void give_back() {
    {
      const std::lock_guard lock(mutex_);
      taken_ = false;
    }
    freed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  bool taken_ = false;
};

class SqliteRow final : public Row {
 public:
  explicit SqliteRow(sqlite3_stmt* statement) : statement_(statement) {}
  int columns() const override { return sqlite3_column_count(statement_); }
  bool is_null(int column) const override {
    check(column);
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
  }
  std::int64_t integer(int column) const override {
    check(column);
    return sqlite3_column_int64(statement_, column);
  }
  std::string_view text(int column) const override { return blob(column); }
  std::string_view blob(int column) const override {
    check(column);
    // Text before length, as SQLite wants: asking for text may convert the value.
    const bool is_blob = sqlite3_column_type(statement_, column) == SQLITE_BLOB;
    const void* bytes = is_blob ? sqlite3_column_blob(statement_, column)
                                : static_cast<const void*>(sqlite3_column_text(statement_, column));
    if (bytes == nullptr) return {};
    return {static_cast<const char*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  void check(int column) const {
    if (column >= 0 && column < columns()) return;
    throw Error(ErrorClass::kOther, "", fmt::format("the row has no column {}", column));
  }
  sqlite3_stmt* statement_;
};

// Puts a cached statement back into its initial state, whatever happened.
class StatementUse {
 public:
  explicit StatementUse(sqlite3_stmt* statement) : statement_(statement) {}
  ~StatementUse() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  StatementUse(const StatementUse&) = delete;
  StatementUse& operator=(const StatementUse&) = delete;

 private:
  sqlite3_stmt* statement_;
};

class SqliteSession final : public Session {
 public:
  SqliteSession(const DatabaseConfig& config, std::shared_ptr<WriteTurn> turn)
      : write_turn_(std::move(turn)), patience_(config.operation_timeout) {
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(config.connection_string.c_str(), &db_, kFlags, nullptr) != SQLITE_OK) {
      const std::string reason = db_ == nullptr ? "out of memory" : sqlite3_errmsg(db_);
      sqlite3_close_v2(db_);
      throw Error(ErrorClass::kConnection, "",
                  fmt::format("opening the database {}: {}", config.connection_string, reason));
    }
    try {
      set_up();
    } catch (...) {
      sqlite3_close_v2(db_);
      throw;
    }
  }

  ~SqliteSession() override {
    forget_statements();
    if (sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    end_turn();
    sqlite3_close_v2(db_);
  }

  std::int64_t execute(std::string_view sql, const Parameters& parameters) override {
    sqlite3_stmt* statement = prepared(sql);
    // Outside a transaction a writing statement is its own: it takes its turn, too.
    const bool needs_turn = !has_turn_ && sqlite3_stmt_readonly(statement) == 0 && sqlite3_get_autocommit(db_) != 0;
    if (needs_turn) take_turn();
    try {
      const auto changed = run(statement, parameters, sql);
      if (needs_turn) end_turn();
      return changed;
    } catch (...) {
      if (needs_turn) end_turn();
      throw;
    }
  }

  bool query(std::string_view sql, const Parameters& parameters, const RowVisitor& visit, bool first_only) override {
    sqlite3_stmt* statement = prepared(sql);
    const StatementUse use(statement);
    bind(statement, parameters, sql);
    const SqliteRow row(statement);
    bool any = false;
    while (true) {
      const int result = sqlite3_step(statement);
      if (result == SQLITE_DONE) return any;
      if (result != SQLITE_ROW) fail(db_, context(sql));
      any = true;
      visit(row);
      if (first_only) return true;
    }
  }

  std::vector<std::int64_t> execute_batch(const std::vector<Statement>& statements) override {
    std::vector<std::int64_t> changed;
    changed.reserve(statements.size());
    for (const auto& statement : statements) changed.push_back(execute(statement.sql, statement.parameters));
    return changed;
  }

  void execute_script(std::string_view sql) override {
    const bool needs_turn = !has_turn_;
    if (needs_turn) take_turn();
    const int result = sqlite3_exec(db_, std::string(sql).c_str(), nullptr, nullptr, nullptr);
    if (needs_turn) end_turn();
    if (result != SQLITE_OK) fail(db_, "running a script");
  }

  void begin(TransactionMode mode) override {
    if (mode == TransactionMode::kRead) {
      simple("BEGIN DEFERRED");
      return;
    }
    take_turn();
    try {
      simple("BEGIN IMMEDIATE");
    } catch (...) {
      end_turn();
      throw;
    }
  }

  void commit() override {
    // A failure that rolled back already (a full disk) must not be taken for a commit.
    if (sqlite3_get_autocommit(db_) != 0) {
      end_turn();
      throw Error(ErrorClass::kOther, "", "committing: the transaction was rolled back by an earlier failure");
    }
    simple("COMMIT");  // on failure the transaction is still open, and rollback() follows
    end_turn();
  }

  void rollback() override {
    if (sqlite3_get_autocommit(db_) == 0 && sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr) != SQLITE_OK) {
      usable_ = false;
    }
    end_turn();
  }

  bool is_usable() const override { return usable_; }

 private:
  void set_up() {
    sqlite3_extended_result_codes(db_, 1);
    sqlite3_busy_timeout(db_, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(patience_).count()));
    // WAL: readers never wait for the writer. FULL: a commit has reached the disk before it returns.
    simple("PRAGMA journal_mode = WAL");
    simple("PRAGMA synchronous = FULL");
  }

  static std::string context(std::string_view sql) { return fmt::format("running \"{}\"", sql.substr(0, 200)); }

  void simple(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(db_, context(sql));
  }

  void take_turn() {
    write_turn_->take(patience_);
    has_turn_ = true;
  }
  void end_turn() {
    if (!has_turn_) return;
    has_turn_ = false;
    write_turn_->give_back();
  }

  sqlite3_stmt* prepared(std::string_view sql) {
    const auto known = statements_.find(std::string(sql));
    if (known != statements_.end()) return known->second;
    if (statements_.size() >= kCachedStatements) forget_statements();
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement,
                           nullptr) != SQLITE_OK) {
      fail(db_, context(sql));
    }
    if (statement == nullptr) throw Error(ErrorClass::kOther, "", "an empty statement");
    statements_.emplace(std::string(sql), statement);
    return statement;
  }

  void forget_statements() {
    for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    statements_.clear();
  }

  std::int64_t run(sqlite3_stmt* statement, const Parameters& parameters, std::string_view sql) {
    const StatementUse use(statement);
    bind(statement, parameters, sql);
    int result = SQLITE_ROW;
    while (result == SQLITE_ROW) result = sqlite3_step(statement);
    if (result != SQLITE_DONE) fail(db_, context(sql));
    return sqlite3_stmt_readonly(statement) != 0 ? 0 : sqlite3_changes64(db_);
  }

  void bind(sqlite3_stmt* statement, const Parameters& parameters, std::string_view sql) {
    const auto expected = static_cast<std::size_t>(sqlite3_bind_parameter_count(statement));
    if (parameters.size() != expected) {
      throw Error(ErrorClass::kOther, "",
                  fmt::format("{}: {} values for {} placeholders", context(sql), parameters.size(), expected));
    }
    int index = 0;
    for (const auto& parameter : parameters) {
      if (bind_one(statement, ++index, parameter) != SQLITE_OK) fail(db_, context(sql));
    }
  }

  static int bind_one(sqlite3_stmt* statement, int index, const Parameter& parameter) {
    const auto bytes = parameter.bytes();
    // A null pointer would bind NULL.
    const char* data = bytes.data() == nullptr ? "" : bytes.data();
    switch (parameter.kind()) {
      case Parameter::Kind::kNull:
        return sqlite3_bind_null(statement, index);
      case Parameter::Kind::kInteger:
        return sqlite3_bind_int64(statement, index, parameter.integer());
      case Parameter::Kind::kText:
        return sqlite3_bind_text64(statement, index, data, bytes.size(), SQLITE_STATIC, SQLITE_UTF8);
      case Parameter::Kind::kBlob:
        return sqlite3_bind_blob64(statement, index, data, bytes.size(), SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
  }

  sqlite3* db_ = nullptr;
  std::shared_ptr<WriteTurn> write_turn_;
  std::chrono::nanoseconds patience_;
  bool has_turn_ = false;
  bool usable_ = true;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
};

class SqliteDriver final : public Driver {
 public:
  explicit SqliteDriver(DatabaseConfig config) : config_(std::move(config)) {}
  std::unique_ptr<Session> connect() override { return std::make_unique<SqliteSession>(config_, write_turn_); }
  std::size_t connection_limit() const override { return 8; }  // one writes; more readers than workers are of no use

 private:
  DatabaseConfig config_;
  std::shared_ptr<WriteTurn> write_turn_ = std::make_shared<WriteTurn>();
};

}  // namespace

std::unique_ptr<Driver> make_sqlite_driver(const DatabaseConfig& config) {
  return std::make_unique<SqliteDriver>(config);
}

}  // namespace rivera::sql
