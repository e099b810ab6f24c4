#include "bbs/store/store_dump.h"

#include <deque>
#include <istream>
#include <map>
#include <ostream>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bbs/rows/configurations.h"
#include "bbs/rows/schema.h"

namespace rivera::bbs {
namespace {

namespace json = boost::json;

constexpr std::int64_t kExportFormat = 1;
constexpr std::size_t kImportedAtOnce = 256;  // rows
constexpr std::size_t kProgressInterval = 10'000;
constexpr const char* kExportedTables[] = {"domains", "desired_lrps", "actual_lrps", "tasks"};

std::string column_names(const Table& table) {
  std::vector<std::string> names;
  for (const Column& column : table.columns) names.push_back(column.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

enum class Form { kText, kInteger, kBoolean };

Form form_of(const Column& column) {
  switch (column.type) {
    case ColumnType::kName:
    case ColumnType::kLine:
    case ColumnType::kShortText:
    case ColumnType::kText:
    case ColumnType::kSealed:
    case ColumnType::kMediumSealed:
      return Form::kText;
    case ColumnType::kInteger:
    case ColumnType::kTime:
    case ColumnType::kCounter:
      return Form::kInteger;
    case ColumnType::kBoolean:
      return Form::kBoolean;
  }
  return Form::kText;
}

json::value value_in(const sql::Row& row, int at, const Column& column) {
  if (row.is_null(at)) return nullptr;
  switch (form_of(column)) {
    case Form::kText:
      return json::string(row.text(at));
    case Form::kInteger:
      return row.integer(at);
    case Form::kBoolean:
      return row.integer(at) != 0;
  }
  return nullptr;
}

bool has_rows(sql::Connection& connection) {
  for (const char* name : kExportedTables) {
    bool exists = false;
    connection.query(connection.dialect().columns_of_table_query(), {name}, [&](const sql::Row&) { exists = true; });
    const std::string query = fmt::format("SELECT 1 FROM {} LIMIT 1", name);
    if (exists && connection.query_one(query, {}, [](const sql::Row&) {})) return true;
  }
  return false;
}

// Reads an export line by line and inserts its rows, within a transaction.
class ExportReader {
 public:
  ExportReader(sql::Connection& connection, const ColumnCipher& cipher, std::istream& in, const DumpProgress& progress)
      : connection_(connection), cipher_(cipher), in_(in), progress_(progress) {
    for (const char* name : kExportedTables) {
      Table of = table(connection.dialect(), name);
      std::string insert = fmt::format("INSERT INTO {} ({}) VALUES ({})", name, column_names(of),
                                       sql::Dialect::placeholders(of.columns.size()));
      targets_.emplace(name, Target{std::move(of), std::move(insert)});
    }
  }

  std::size_t read() {
    check_header(next_line());
    for (;;) {
      const json::object line = next_line();
      if (const json::value* end = line.if_contains("end")) {
        check_end(*end);
        flush();
        check_keys();
        return rows_;
      }
      add(line);
    }
  }

 private:
  struct Target {
    Table table;
    std::string insert;
  };

  [[noreturn]] void fail(const std::string& why) const {
    throw UnusableExport(fmt::format("line {}: {}", line_number_, why));
  }

  json::object next_line() {
    std::string text;
    ++line_number_;
    if (!std::getline(in_, text)) fail("the export ends before its last line: it is not a whole one");
    boost::system::error_code error;
    json::parse_options options;
    options.allow_invalid_utf8 = true;
    json::value value = json::parse(text, error, {}, options);
    if (error || !value.is_object()) fail("not a JSON object");
    return std::move(value.get_object());
  }

  void check_header(const json::object& header) const {
    const json::value* format = header.if_contains("rivera_bbs_export");
    const json::value* version = header.if_contains("schema_version");
    if (!format || *format != kExportFormat || !version || !version->is_int64()) fail("not an export of this format");
    if (version->get_int64() == kSchemaVersion) return;
    fail(fmt::format("an export of schema version {}, this BBS has {}", version->get_int64(), kSchemaVersion));
  }

  void check_end(const json::value& end) const {
    const json::value* rows = end.is_object() ? end.get_object().if_contains("rows") : nullptr;
    if (rows && *rows == static_cast<std::int64_t>(rows_)) return;
    fail(fmt::format("the export says that it has another number of rows than {}", rows_));
  }

  void add(const json::object& line) {
    const json::value* name = line.if_contains("table");
    const json::value* row = line.if_contains("row");
    if (!name || !name->is_string() || !row || !row->is_object()) fail("neither a row nor the end");
    const auto target = targets_.find(std::string_view(name->get_string()));
    if (target == targets_.end()) fail("a row of an unknown table");
    sql::Statement statement{target->second.insert, {}};
    for (const Column& column : target->second.table.columns) {
      statement.parameters.push_back(parameter(row->get_object(), column));
    }
    batch_.push_back(std::move(statement));
    if (batch_.size() >= kImportedAtOnce) flush();
    if (++rows_ % kProgressInterval == 0 && progress_) progress_(rows_);
  }

  sql::Parameter parameter(const json::object& row, const Column& column) {
    const json::value* value = row.if_contains(column.name);
    if (!value) fail("the row has no " + column.name);
    if (value->is_null()) return nullptr;
    switch (form_of(column)) {
      case Form::kText:
        if (!value->is_string()) break;
        if (is_sealed(column.type)) note_key(value->get_string());
        return texts_.emplace_back(value->get_string());
      case Form::kInteger:
        if (value->is_int64()) return value->get_int64();
        break;
      case Form::kBoolean:
        if (value->is_bool()) return value->get_bool();
        break;
    }
    fail(column.name + " has not the type of its column");
  }

  // A key is proven to be the right one by the first column that it decrypts.
  void note_key(std::string_view sealed) {
    const std::string label = ColumnCipher::label_of(sealed);
    if (label.empty()) return;  // was unreadable before the export, too
    if (!cipher_.knows(label)) fail("needs the key '" + label + "', which is not among encryption_keys");
    bool& has_opened = keys_[label];
    if (has_opened) return;
    try {
      cipher_.open(sealed);
      has_opened = true;
    } catch (const UndecodableColumn&) {
      // This value may be damaged while others are intact.
    }
  }

  void check_keys() const {
    for (const auto& [label, has_opened] : keys_) {
      if (!has_opened) fail("nothing opens with the key '" + label + "': its passphrase differs");
    }
  }

  void flush() {
    try {
      connection_.execute_batch(batch_);
    } catch (const sql::Error& e) {
      if (e.error_class() != sql::ErrorClass::kDuplicateKey && e.error_class() != sql::ErrorClass::kTooLong) throw;
      fail(std::string("one of the last rows does not go into the store: ") + e.what());
    }
    batch_.clear();
    texts_.clear();
  }

  sql::Connection& connection_;
  const ColumnCipher& cipher_;
  std::istream& in_;
  const DumpProgress& progress_;
  std::map<std::string, Target, std::less<>> targets_;
  std::map<std::string, bool> keys_;  // label, and whether it has decrypted a column
  std::vector<sql::Statement> batch_;
  std::deque<std::string> texts_;  // that the batch refers to
  std::size_t line_number_ = 0;
  std::size_t rows_ = 0;
};

}  // namespace

std::size_t export_records(sql::Database& database, std::ostream& out, const DumpProgress& progress) {
  out.exceptions(std::ios::badbit | std::ios::failbit);
  sql::Connection connection = database.connect();
  sql::Transaction transaction = connection.begin(sql::TransactionMode::kRead);
  if (schema_version(connection) != kSchemaVersion) {
    throw UnusableDatabase("the database has not the tables of this version: let a BBS become active on it first");
  }
  out << json::serialize(json::object{{"rivera_bbs_export", kExportFormat}, {"schema_version", kSchemaVersion}})
      << '\n';
  std::size_t rows = 0;
  for (const char* name : kExportedTables) {
    const Table of = table(connection.dialect(), name);
    const std::string query = fmt::format("SELECT {} FROM {}", column_names(of), name);
    connection.query(query, {}, [&](const sql::Row& row) {
      json::object values;
      for (const Column& column : of.columns) {
        const int at = static_cast<int>(values.size());
        values[column.name] = value_in(row, at, column);
      }
      out << json::serialize(json::object{{"table", name}, {"row", std::move(values)}}) << '\n';
      if (++rows % kProgressInterval == 0 && progress) progress(rows);
    });
  }
  transaction.commit();
  out << json::serialize(json::object{{"end", {{"rows", rows}}}}) << '\n';
  out.flush();
  return rows;
}

std::size_t import_records(Store& store, std::istream& in, Existing existing, const DumpProgress& progress) {
  const auto refuse_rows = [existing](sql::Connection& connection) {
    if (existing == Existing::kRefuse && has_rows(connection)) {
      throw UnusableDatabase("the database has records already: they are kept unless -replace is given");
    }
  };
  store.open();
  {
    sql::Connection connection = store.database().connect();
    refuse_rows(connection);
  }
  store.become_active();
  // Not Database::transact(), which would retry after a failure: the input can be read only once.
  sql::Connection connection = store.database().connect();
  sql::Transaction transaction = connection.begin(sql::TransactionMode::kWrite);
  store.fence(connection);
  refuse_rows(connection);
  for (const char* name : kExportedTables) connection.execute(fmt::format("DELETE FROM {}", name));
  connection.execute("DELETE FROM configurations WHERE id = ?", {kLabelKey});
  ExportReader reader(connection, store.cipher(), in, progress);
  const std::size_t rows = reader.read();
  transaction.commit();
  return rows;
}

}  // namespace rivera::bbs
