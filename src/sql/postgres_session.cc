// PostgreSQL, through libpq.
#include <charconv>
#include <chrono>
#include <poll.h>
#include <unordered_map>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "sql/session.h"

namespace rivera::sql {
namespace {

constexpr std::size_t kCachedStatements = 256;
// Statements sent before their results are read. Their answers, without rows, must fit the socket's buffer, or both
// sides would wait for the other to read.
constexpr std::size_t kPipelined = 64;
constexpr std::string_view kBegin = "BEGIN";
constexpr std::string_view kCommit = "COMMIT";
constexpr std::string_view kDivisionByZero = "22012";

struct ResultCleared {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ResultCleared>;

ErrorClass classify(std::string_view state) {
  if (state == "23505") return ErrorClass::kDuplicateKey;
  if (state == "22001") return ErrorClass::kTooLong;
  if (state == "42P01") return ErrorClass::kMissingTable;
  if (state == "40001" || state == "40P01" || state == "55P03") return ErrorClass::kDeadlock;
  if (state == "53100") return ErrorClass::kDiskFull;
  if (state == "57014") return ErrorClass::kTimeout;
  const bool is_gone = state.starts_with("08") || state.starts_with("57P") || state == "53300";
  return is_gone ? ErrorClass::kConnection : ErrorClass::kOther;
}

std::string_view without_newline(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

std::string context(std::string_view sql) { return fmt::format("running \"{}\"", sql.substr(0, 200)); }

// Parameters as libpq takes them: text, except for bytes.
class Values {
 public:
  explicit Values(const Parameters& parameters) {
    texts_.reserve(parameters.size());
    for (const auto& parameter : parameters) add(parameter);
  }
  int size() const { return static_cast<int>(pointers_.size()); }
  const char* const* pointers() const { return pointers_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  void add(const Parameter& parameter) {
    switch (parameter.kind()) {
      case Parameter::Kind::kNull:
        push(nullptr, 0, 0);
        return;
      case Parameter::Kind::kInteger:
        texts_.push_back(std::to_string(parameter.integer()));
        break;
      case Parameter::Kind::kText:
        texts_.emplace_back(parameter.bytes());
        break;
      case Parameter::Kind::kBlob:
        push(parameter.bytes().empty() ? "" : parameter.bytes().data(), static_cast<int>(parameter.bytes().size()), 1);
        return;
    }
    push(texts_.back().c_str(), 0, 0);
  }
  void push(const char* data, int length, int format) {
    pointers_.push_back(data);
    lengths_.push_back(length);
    formats_.push_back(format);
  }

  std::vector<std::string> texts_;  // reserved: its elements stay where they are
  std::vector<const char*> pointers_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
};

class PostgresRow final : public Row {
 public:
  explicit PostgresRow(const PGresult* result) : result_(result) {}
  int columns() const override { return PQnfields(result_); }
  bool is_null(int column) const override {
    check(column);
    return PQgetisnull(result_, 0, column) != 0;
  }
  std::int64_t integer(int column) const override {
    const auto value = text(column);
    if (value == "t") return 1;
    std::int64_t number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
  }
  std::string_view text(int column) const override {
    check(column);
    return {PQgetvalue(result_, 0, column), static_cast<std::size_t>(PQgetlength(result_, 0, column))};
  }
  std::string_view blob(int column) const override {
    constexpr Oid kByteaType = 17;
    const auto value = text(column);
    if (PQftype(result_, column) != kByteaType || value.empty()) return value;
    std::size_t size = 0;
    unsigned char* bytes = PQunescapeBytea(reinterpret_cast<const unsigned char*>(value.data()), &size);
    if (bytes == nullptr) throw Error(ErrorClass::kOther, "", "out of memory while reading bytes");
    auto& decoded = decoded_[column];
    decoded.assign(reinterpret_cast<const char*>(bytes), size);
    PQfreemem(bytes);
    return decoded;
  }

 private:
  void check(int column) const {
    if (column >= 0 && column < columns()) return;
    throw Error(ErrorClass::kOther, "", fmt::format("the row has no column {}", column));
  }
  const PGresult* result_;
  mutable std::unordered_map<int, std::string> decoded_;  // columns of bytes come as text
};

class PostgresSession final : public Session {
 public:
  explicit PostgresSession(const DatabaseConfig& config) : patience_(config.read_timeout) {
    connect(config);
    cable_ = Cable(PQsocket(connection_));
    try {
      set_up(config);
    } catch (...) {
      PQfinish(connection_);
      throw;
    }
  }
  ~PostgresSession() override { PQfinish(connection_); }

  std::int64_t execute(std::string_view sql, const Parameters& parameters) override {
    const auto& name = prepared(sql);
    const Values values(parameters);
    if (PQsendQueryPrepared(connection_, name.c_str(), values.size(), values.pointers(), values.lengths(),
                            values.formats(), 0) == 0) {
      fail(nullptr, context(sql));
    }
    const Result result = last_result();
    return changed_by(result.get(), sql);
  }

  bool query(std::string_view sql, const Parameters& parameters, const RowVisitor& visit, bool first_only) override {
    const auto& name = prepared(sql);
    const Values values(parameters);
    if (PQsendQueryPrepared(connection_, name.c_str(), values.size(), values.pointers(), values.lengths(),
                            values.formats(), 0) == 0) {
      fail(nullptr, context(sql));
    }
    PQsetSingleRowMode(connection_);
    const Drain drain(connection_);
    bool any = false;
    while (const Result result{next_result()}) {
      const auto status = PQresultStatus(result.get());
      if (status == PGRES_TUPLES_OK) continue;  // the end of the rows
      if (status != PGRES_SINGLE_TUPLE) fail(result.get(), context(sql));
      any = true;
      visit(PostgresRow(result.get()));
      if (first_only) return true;
    }
    check_alive();
    return any;
  }

  std::vector<std::int64_t> execute_batch(const std::vector<Statement>& statements) override {
    std::vector<std::int64_t> changed;
    run_pipelines(statements, changed);
    return changed;
  }

  // All in one round trip, or in one for every kPipelined statements.
  bool transact_if(const Statement& guard, const std::vector<Statement>& statements) override {
    // In a pipeline only an error keeps what follows from being run.
    const std::string failing_guard = fmt::format("SELECT 1 / (SELECT count(*) FROM ({}) AS found)", guard.sql);
    std::vector<Statement> all{{kBegin, {}}, {failing_guard, guard.parameters}};
    all.insert(all.end(), statements.begin(), statements.end());
    all.push_back({kCommit, {}});
    std::vector<std::int64_t> changed;
    try {
      run_pipelines(all, changed);
      return true;
    } catch (const Error& e) {
      roll_back_quietly();
      const bool guard_failed = changed.size() == 1 && e.native_code() == kDivisionByZero;
      if (guard_failed) return false;
      throw;
    }
  }

  void execute_script(std::string_view sql) override { simple(std::string(sql)); }

  void begin(TransactionMode mode) override {
    simple(mode == TransactionMode::kRead ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN");
  }

  void commit() override {
    const Result result = run("COMMIT");
    changed_by(result.get(), "COMMIT");
    // What an earlier failure has ended is answered so.
    if (std::string_view(PQcmdStatus(result.get())) == "ROLLBACK") {
      throw Error(ErrorClass::kOther, "", "committing: the transaction was rolled back by an earlier failure");
    }
  }

  void rollback() override {
    if (PQtransactionStatus(connection_) != PQTRANS_IDLE) simple("ROLLBACK");
  }

  bool is_usable() const override {
    return PQstatus(connection_) == CONNECTION_OK && PQtransactionStatus(connection_) == PQTRANS_IDLE;
  }

  void cut() override { cable_.cut(); }

 private:
  // Reads what is left of a result, so that the connection can be used again.
  class Drain {
   public:
    explicit Drain(PGconn* connection) : connection_(connection) {}
    ~Drain() {
      while (PGresult* result = PQgetResult(connection_)) PQclear(result);
    }
    Drain(const Drain&) = delete;
    Drain& operator=(const Drain&) = delete;

   private:
    PGconn* connection_;
  };

  static std::int64_t milliseconds(std::chrono::nanoseconds limit) {
    return std::chrono::ceil<std::chrono::milliseconds>(limit).count();
  }

  void connect(const DatabaseConfig& config) {
    const auto timeout = std::chrono::ceil<std::chrono::seconds>(config.connection_timeout).count();
    const std::string timeout_text = std::to_string(timeout);
    // Data that the server's host does not confirm: a host that is gone is noticed within half a minute.
    const std::string unconfirmed = std::to_string(std::min<std::int64_t>(30'000, milliseconds(config.write_timeout)));
    std::vector<const char*> keys{"dbname",          "connect_timeout", "application_name",
                                  "client_encoding", "keepalives_idle", "tcp_user_timeout"};
    std::vector<const char*> values{
        config.connection_string.c_str(), timeout_text.c_str(), "rivera", "UTF8", "10", unconfirmed.c_str()};
    if (!config.ca_cert_file.empty()) {
      keys.insert(keys.end(), {"sslmode", "sslrootcert"});
      values.insert(values.end(), {config.verify_identity ? "verify-full" : "verify-ca", config.ca_cert_file.c_str()});
    }
    keys.push_back(nullptr);
    values.push_back(nullptr);
    connection_ = PQconnectdbParams(keys.data(), values.data(), 1);
    PQsetNoticeProcessor(
        connection_, [](void*, const char*) {}, nullptr);  // else they go to standard error
    if (PQstatus(connection_) == CONNECTION_OK) return;
    const std::string reason(without_newline(PQerrorMessage(connection_)));
    PQfinish(connection_);
    throw Error(ErrorClass::kConnection, "", "connecting to PostgreSQL: " + reason);
  }

  // What is acknowledged is durable, whatever the server's default is; waiting, our own and others' for us, is bounded.
  void set_up(const DatabaseConfig& config) {
    const auto milliseconds = [](std::chrono::nanoseconds duration) {
      return std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::milliseconds>(duration).count());
    };
    // Statements are prepared once and run a thousand times: planning them again for each set of values costs more.
    simple(
        fmt::format("SET lock_timeout = {}; SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}; "
                    "SET plan_cache_mode = force_generic_plan; "
                    "SELECT set_config('synchronous_commit', 'on', false) "
                    "WHERE current_setting('synchronous_commit') = 'off'",
                    milliseconds(config.operation_timeout), milliseconds(config.read_timeout),
                    milliseconds(config.idle_transaction_timeout)));
  }

  void check_alive() {
    if (PQstatus(connection_) != CONNECTION_OK) fail(nullptr, "reading from PostgreSQL");
  }

  [[noreturn]] void fail(const PGresult* result, const std::string& doing) {
    const char* state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string native = state == nullptr ? "" : state;
    const char* primary = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const std::string reason(without_newline(primary == nullptr ? PQerrorMessage(connection_) : primary));
    const bool is_gone = PQstatus(connection_) != CONNECTION_OK;
    throw Error(is_gone ? ErrorClass::kConnection : classify(native), native, fmt::format("{}: {}", doing, reason));
  }

  // The rows that a finished statement changed; throws if it failed.
  std::int64_t changed_by(const PGresult* result, std::string_view sql) {
    const auto status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail(result, context(sql));
    const std::string_view count = PQcmdTuples(const_cast<PGresult*>(result));
    std::int64_t changed = 0;
    if (status == PGRES_COMMAND_OK) std::from_chars(count.data(), count.data() + count.size(), changed);
    return changed;
  }

  void simple(const std::string& sql) {
    const Result result = run(sql);
    changed_by(result.get(), sql);
  }

  Result run(const std::string& sql) {
    if (PQsendQuery(connection_, sql.c_str()) == 0) fail(nullptr, context(sql));
    return last_result();
  }

  // Of everything that was sent.
  Result last_result() {
    Result last;
    while (PGresult* result = next_result()) last.reset(result);
    return last;
  }

  // PQgetResult() waits without an end for a server that was stopped.
  PGresult* next_result() {
    if (PQisBusy(connection_) == 0) return PQgetResult(connection_);
    const auto end = std::chrono::steady_clock::now() + patience_;
    while (PQisBusy(connection_) != 0) {
      wait_for_input(end);
      if (PQconsumeInput(connection_) == 0) break;  // PQgetResult() says why
    }
    return PQgetResult(connection_);
  }

  void wait_for_input(Instant end) {
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
      if (left <= 0) break;
      pollfd polled{PQsocket(connection_), POLLIN, 0};
      const int ready = ::poll(&polled, 1, static_cast<int>(std::min<std::int64_t>(left, 1 << 30)));
      if (ready > 0 || (ready < 0 && errno != EINTR)) return;
    }
    cable_.cut();  // what would have been read is of no use any more
    throw Error(ErrorClass::kConnection, "", "reading from PostgreSQL: no answer in time");
  }

  const std::string& prepared(std::string_view sql) {
    const auto known = statements_.find(std::string(sql));
    if (known != statements_.end()) return known->second;
    if (statements_.size() >= kCachedStatements) {
      simple("DEALLOCATE ALL");
      statements_.clear();
    }
    std::string name = fmt::format("s{}", ++last_name_);
    const auto text = translate_placeholders(sql, Engine::kPostgres);
    if (PQsendPrepare(connection_, name.c_str(), text.c_str(), 0, nullptr) == 0) fail(nullptr, context(sql));
    const Result result = last_result();
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) fail(result.get(), context(sql));
    return statements_.emplace(std::string(sql), std::move(name)).first->second;
  }

  void run_pipelines(const std::vector<Statement>& statements, std::vector<std::int64_t>& changed) {
    for (const auto& statement : statements) {
      if (!is_transaction_control(statement)) prepared(statement.sql);  // not possible within the pipeline
    }
    changed.reserve(statements.size());
    for (std::size_t first = 0; first < statements.size(); first += kPipelined) {
      const auto count = std::min(kPipelined, statements.size() - first);
      run_pipeline(std::span(statements).subspan(first, count), changed);
    }
  }

  static bool is_transaction_control(const Statement& statement) {
    return statement.sql == kBegin || statement.sql == kCommit;
  }

  bool send(const Statement& statement) {
    if (is_transaction_control(statement)) {
      return PQsendQueryParams(connection_, statement.sql.data(), 0, nullptr, nullptr, nullptr, nullptr, 0) != 0;
    }
    const Values values(statement.parameters);
    return PQsendQueryPrepared(connection_, prepared(statement.sql).c_str(), values.size(), values.pointers(),
                               values.lengths(), values.formats(), 0) != 0;
  }

  void run_pipeline(std::span<const Statement> statements, std::vector<std::int64_t>& changed) {
    if (PQenterPipelineMode(connection_) == 0) fail(nullptr, "entering pipeline mode");
    for (const auto& statement : statements) {
      if (!send(statement)) fail(nullptr, context(statement.sql));
    }
    if (PQpipelineSync(connection_) == 0) fail(nullptr, "sending a batch");
    std::optional<Error> failure;
    for (const auto& statement : statements) read_pipelined(statement, changed, failure);
    const Result sync(next_result());
    if (PQresultStatus(sync.get()) != PGRES_PIPELINE_SYNC || PQexitPipelineMode(connection_) == 0) {
      if (!failure) fail(nullptr, "ending a batch");
    }
    if (failure) throw *failure;
  }

  // Statements after the failed one are answered as aborted: the first failure counts.
  void read_pipelined(const Statement& statement, std::vector<std::int64_t>& changed, std::optional<Error>& failure) {
    const Result result(next_result());
    heard();
    try {
      if (!failure) changed.push_back(changed_by(result.get(), statement.sql));
    } catch (const Error& e) {
      failure = e;
    }
    if (result) PQclear(next_result());  // the null that ends each statement's results
  }

  PGconn* connection_ = nullptr;
  const std::chrono::nanoseconds patience_;  // with a server that is silent
  Cable cable_;
  std::unordered_map<std::string, std::string> statements_;  // text to name
  int last_name_ = 0;
};

class PostgresDriver final : public Driver {
 public:
  explicit PostgresDriver(DatabaseConfig config) : config_(std::move(config)) {}
  std::unique_ptr<Session> connect() override { return std::make_unique<PostgresSession>(config_); }
  std::size_t connection_limit() const override { return 1000; }

 private:
  DatabaseConfig config_;
};

}  // namespace

std::unique_ptr<Driver> make_postgres_driver(const DatabaseConfig& config) {
  return std::make_unique<PostgresDriver>(config);
}

}  // namespace rivera::sql
