// MySQL and MariaDB, through MariaDB's client library.
#include <charconv>
#include <cstring>
#include <mysql.h>
#include <unordered_map>

#include <fmt/format.h>

#include "sql/mysql_address.h"
#include "sql/session.h"

namespace rivera::sql {
namespace {

constexpr std::size_t kCachedStatements = 256;

ErrorClass classify(unsigned code) {
  switch (code) {
    case 1062:
      return ErrorClass::kDuplicateKey;
    case 1213:
    case 1205:
      return ErrorClass::kDeadlock;
    case 1406:
      return ErrorClass::kTooLong;
    case 1146:
      return ErrorClass::kMissingTable;
    case 1021:
    case 1114:
      return ErrorClass::kDiskFull;
    case 3024:
    case 1969:
      return ErrorClass::kTimeout;
    case 1040:
    case 1053:
    case 1159:
    case 1160:
    case 1161:
    case 1927:
    case 4031:
      return ErrorClass::kConnection;
    default:
      return code >= 2000 && code < 3000 ? ErrorClass::kConnection : ErrorClass::kOther;
  }
}

std::string context(std::string_view sql) { return fmt::format("running \"{}\"", sql.substr(0, 200)); }

// Parameters as the library takes them; numbers are kept here, bytes where they are.
class Values {
 public:
  explicit Values(const Parameters& parameters) : binds_(parameters.size()), integers_(parameters.size()) {
    for (std::size_t i = 0; i < parameters.size(); ++i) set(i, parameters[i]);
  }
  MYSQL_BIND* binds() { return binds_.data(); }

 private:
  void set(std::size_t i, const Parameter& parameter) {
    MYSQL_BIND& bind = binds_[i];
    std::memset(&bind, 0, sizeof bind);
    switch (parameter.kind()) {
      case Parameter::Kind::kNull:
        bind.buffer_type = MYSQL_TYPE_NULL;
        return;
      case Parameter::Kind::kInteger:
        integers_[i] = parameter.integer();
        bind.buffer_type = MYSQL_TYPE_LONGLONG;
        bind.buffer = &integers_[i];
        return;
      case Parameter::Kind::kText:
        bind.buffer_type = MYSQL_TYPE_STRING;
        break;
      case Parameter::Kind::kBlob:
        bind.buffer_type = MYSQL_TYPE_BLOB;
        break;
    }
    bind.buffer = const_cast<char*>(parameter.bytes().data());
    bind.buffer_length = parameter.bytes().size();
  }

  std::vector<MYSQL_BIND> binds_;
  std::vector<std::int64_t> integers_;
};

// The columns of a result, fetched row by row into buffers that grow with the longest value.
class MysqlRow final : public Row {
 public:
  MysqlRow(MYSQL_STMT* statement, unsigned columns) : statement_(statement), columns_(columns), binds_(columns) {
    for (unsigned i = 0; i < columns; ++i) {
      columns_[i].buffer.resize(256);
      std::memset(&binds_[i], 0, sizeof binds_[i]);
      binds_[i].buffer_type = MYSQL_TYPE_STRING;
      binds_[i].length = &columns_[i].length;
      binds_[i].is_null = &columns_[i].is_null;
    }
  }

  // To be bound before each row: the buffers may have moved.
  MYSQL_BIND* binds() {
    for (unsigned i = 0; i < columns_.size(); ++i) point_at_buffer(i);
    return binds_.data();
  }

  // Gets what did not fit. False if that failed.
  bool complete() {
    for (unsigned i = 0; i < columns_.size(); ++i) {
      if (columns_[i].is_null != 0 || columns_[i].length <= columns_[i].buffer.size()) continue;
      columns_[i].buffer.resize(columns_[i].length);
      MYSQL_BIND whole = binds_[i];
      whole.buffer = columns_[i].buffer.data();
      whole.buffer_length = columns_[i].buffer.size();
      if (mysql_stmt_fetch_column(statement_, &whole, i, 0) != 0) return false;
    }
    return true;
  }

  int columns() const override { return static_cast<int>(columns_.size()); }
  bool is_null(int column) const override { return at(column).is_null != 0; }
  std::int64_t integer(int column) const override {
    const auto value = text(column);
    std::int64_t number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
  }
  std::string_view text(int column) const override {
    const Column& found = at(column);
    if (found.is_null != 0) return {};
    return {found.buffer.data(), found.length};
  }
  std::string_view blob(int column) const override { return text(column); }

 private:
  struct Column {
    std::string buffer;
    unsigned long length = 0;
    my_bool is_null = 0;
  };
  void point_at_buffer(unsigned i) {
    binds_[i].buffer = columns_[i].buffer.data();
    binds_[i].buffer_length = columns_[i].buffer.size();
  }
  const Column& at(int column) const {
    if (column >= 0 && column < columns()) return columns_[static_cast<std::size_t>(column)];
    throw Error(ErrorClass::kOther, "", fmt::format("the row has no column {}", column));
  }

  MYSQL_STMT* statement_;
  std::vector<Column> columns_;
  std::vector<MYSQL_BIND> binds_;
};

class MysqlSession final : public Session {
 public:
  explicit MysqlSession(const DatabaseConfig& config) {
    connection_ = mysql_init(nullptr);
    if (connection_ == nullptr) throw Error(ErrorClass::kOther, "", "out of memory");
    try {
      connect(config);
      cable_ = Cable(static_cast<int>(mysql_get_socket(connection_)));
      set_up(config);
    } catch (...) {
      mysql_close(connection_);
      throw;
    }
  }
  ~MysqlSession() override {
    forget_statements();
    mysql_close(connection_);
  }

  std::int64_t execute(std::string_view sql, const Parameters& parameters) override {
    MYSQL_STMT* statement = start(sql, parameters);
    const ResultFreed freed(statement);
    if (mysql_stmt_field_count(statement) > 0) return 0;
    return static_cast<std::int64_t>(mysql_stmt_affected_rows(statement));
  }

  bool query(std::string_view sql, const Parameters& parameters, const RowVisitor& visit, bool first_only) override {
    MYSQL_STMT* statement = start(sql, parameters);
    const ResultFreed freed(statement);
    MysqlRow row(statement, mysql_stmt_field_count(statement));
    bool any = false;
    while (true) {
      if (mysql_stmt_bind_result(statement, row.binds()) != 0) fail(statement, context(sql));
      const int result = mysql_stmt_fetch(statement);
      if (result == MYSQL_NO_DATA) return any;
      if ((result != 0 && result != MYSQL_DATA_TRUNCATED) || !row.complete()) fail(statement, context(sql));
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
    mysql_set_server_option(connection_, MYSQL_OPTION_MULTI_STATEMENTS_ON);
    int status = mysql_real_query(connection_, sql.data(), sql.size());
    while (status == 0) {
      if (MYSQL_RES* result = mysql_store_result(connection_)) mysql_free_result(result);
      status = mysql_next_result(connection_);
    }
    if (status > 0) fail_connection("running a script");
    mysql_set_server_option(connection_, MYSQL_OPTION_MULTI_STATEMENTS_OFF);
  }

  void begin(TransactionMode mode) override {
    simple(mode == TransactionMode::kRead ? "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
                                          : "START TRANSACTION");
    in_transaction_ = true;
  }
  void commit() override {
    // A deadlock has rolled everything back; then COMMIT would succeed with nothing.
    if (!in_transaction_) throw Error(ErrorClass::kOther, "", "committing: rolled back by an earlier failure");
    simple("COMMIT");
    in_transaction_ = false;
  }
  void rollback() override {
    in_transaction_ = false;
    if (usable_) simple("ROLLBACK");
  }
  bool is_usable() const override { return usable_; }
  void cut() override { cable_.cut(); }

 private:
  // Lets go of a result, read to its end or not.
  class ResultFreed {
   public:
    explicit ResultFreed(MYSQL_STMT* statement) : statement_(statement) {}
    ~ResultFreed() { mysql_stmt_free_result(statement_); }
    ResultFreed(const ResultFreed&) = delete;
    ResultFreed& operator=(const ResultFreed&) = delete;

   private:
    MYSQL_STMT* statement_;
  };

  void connect(const DatabaseConfig& config) {
    const auto address = parse_mysql_address(config.connection_string);
    set_timeout(MYSQL_OPT_CONNECT_TIMEOUT, config.connection_timeout);
    set_timeout(MYSQL_OPT_READ_TIMEOUT, config.read_timeout);
    set_timeout(MYSQL_OPT_WRITE_TIMEOUT, config.write_timeout);
    mysql_options(connection_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (!config.ca_cert_file.empty()) {
      const my_bool on = 1;
      const my_bool verify = config.verify_identity ? 1 : 0;
      mysql_optionsv(connection_, MYSQL_OPT_SSL_ENFORCE, &on);
      mysql_optionsv(connection_, MYSQL_OPT_SSL_CA, config.ca_cert_file.c_str());
      mysql_optionsv(connection_, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    }
    const char* socket = address.unix_socket.empty() ? nullptr : address.unix_socket.c_str();
    // Rows found count as changed, as they do with the other engines.
    if (mysql_real_connect(connection_, socket == nullptr ? address.host.c_str() : nullptr, address.user.c_str(),
                           address.password.c_str(), address.schema.c_str(), address.port, socket,
                           CLIENT_FOUND_ROWS | CLIENT_MULTI_RESULTS) == nullptr) {
      throw Error(ErrorClass::kConnection, std::to_string(mysql_errno(connection_)),
                  fmt::format("connecting to MySQL: {}", mysql_error(connection_)));
    }
  }

  void set_timeout(mysql_option option, std::chrono::nanoseconds limit) {
    const auto seconds = static_cast<unsigned>(std::chrono::ceil<std::chrono::seconds>(limit).count());
    mysql_options(connection_, option, &seconds);
  }

  void set_up(const DatabaseConfig& config) {
    const auto seconds = [](std::chrono::nanoseconds duration) {
      return std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(duration).count());
    };
    // Between /*M! and */ is read by MariaDB alone: MySQL has no such limit.
    simple(
        fmt::format("SET SESSION innodb_lock_wait_timeout = {}, /*M! idle_transaction_timeout = {}, */ "
                    "group_concat_max_len = 78888889, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
                    seconds(config.operation_timeout), seconds(config.idle_transaction_timeout)));
  }

  [[noreturn]] void fail(unsigned code, const char* reason, const std::string& doing) {
    const auto error_class = classify(code);
    if (error_class == ErrorClass::kConnection) usable_ = false;
    if (code == 1213) in_transaction_ = false;
    throw Error(error_class, std::to_string(code), fmt::format("{}: {}", doing, reason));
  }
  [[noreturn]] void fail(MYSQL_STMT* statement, const std::string& doing) {
    fail(mysql_stmt_errno(statement), mysql_stmt_error(statement), doing);
  }
  [[noreturn]] void fail_connection(const std::string& doing) {
    fail(mysql_errno(connection_), mysql_error(connection_), doing);
  }

  void simple(const std::string& sql) {
    if (mysql_real_query(connection_, sql.data(), sql.size()) != 0) fail_connection(context(sql));
  }

  MYSQL_STMT* prepared(std::string_view sql) {
    const auto known = statements_.find(std::string(sql));
    if (known != statements_.end()) return known->second;
    if (statements_.size() >= kCachedStatements) forget_statements();
    MYSQL_STMT* statement = mysql_stmt_init(connection_);
    if (statement == nullptr) throw Error(ErrorClass::kOther, "", "out of memory");
    if (mysql_stmt_prepare(statement, sql.data(), sql.size()) != 0) {
      const unsigned code = mysql_stmt_errno(statement);
      const std::string reason = mysql_stmt_error(statement);
      mysql_stmt_close(statement);
      fail(code, reason.c_str(), context(sql));
    }
    statements_.emplace(std::string(sql), statement);
    return statement;
  }

  void forget_statements() {
    for (const auto& [sql, statement] : statements_) mysql_stmt_close(statement);
    statements_.clear();
  }

  // Runs a statement up to its first row.
  MYSQL_STMT* start(std::string_view sql, const Parameters& parameters) {
    MYSQL_STMT* statement = prepared(sql);
    if (parameters.size() != mysql_stmt_param_count(statement)) {
      throw Error(ErrorClass::kOther, "",
                  fmt::format("{}: {} values for {} placeholders", context(sql), parameters.size(),
                              mysql_stmt_param_count(statement)));
    }
    Values values(parameters);
    if (parameters.size() > 0 && mysql_stmt_bind_param(statement, values.binds()) != 0) fail(statement, context(sql));
    if (mysql_stmt_execute(statement) != 0) fail(statement, context(sql));
    heard();
    return statement;
  }

  MYSQL* connection_ = nullptr;
  Cable cable_;
  bool usable_ = true;
  bool in_transaction_ = false;
  std::unordered_map<std::string, MYSQL_STMT*> statements_;
};

class MysqlDriver final : public Driver {
 public:
  explicit MysqlDriver(DatabaseConfig config) : config_(std::move(config)) {
    parse_mysql_address(config_.connection_string);
  }
  std::unique_ptr<Session> connect() override { return std::make_unique<MysqlSession>(config_); }
  std::size_t connection_limit() const override { return 1000; }

 private:
  DatabaseConfig config_;
};

}  // namespace

std::unique_ptr<Driver> make_mysql_driver(const DatabaseConfig& config) {
  mysql_library_init(0, nullptr, nullptr);
  return std::make_unique<MysqlDriver>(config);
}

}  // namespace rivera::sql
