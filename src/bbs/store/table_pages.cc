#include "bbs/store/table_pages.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sql/database.h"

namespace rivera::bbs {

TablePages::TablePages(Table table, std::vector<std::string> columns, std::size_t size)
    : table_(std::move(table)), columns_(table_.key), size_(size) {
  columns_.insert(columns_.end(), columns.begin(), columns.end());
}

// "a >= ? AND (a > ? OR (a = ? AND b > ?) ...)": MySQL finds no range of an index in a comparison of rows, but does in
// the first part of this.
std::string TablePages::query_after() const {
  std::string condition;
  if (!last_.empty()) {
    std::vector<std::string> alternatives;
    std::string equal_so_far;
    for (const std::string& column : table_.key) {
      alternatives.push_back(fmt::format("({}{} > ?)", equal_so_far, column));
      equal_so_far += column + " = ? AND ";
    }
    condition = fmt::format(" WHERE {} >= ? AND ({})", table_.key.front(), fmt::join(alternatives, " OR "));
  }
  return fmt::format("SELECT {} FROM {}{} ORDER BY {} LIMIT {}", fmt::join(columns_, ", "), table_.name, condition,
                     fmt::join(table_.key, ", "), size_);
}

std::vector<sql::Parameter> TablePages::parameters() const {
  std::vector<sql::Parameter> values;
  const auto add = [&values](const KeyPart& part) {
    if (part.is_text) {
      values.emplace_back(part.text);
    } else {
      values.emplace_back(part.integer);
    }
  };
  if (last_.empty()) return values;
  add(last_.front());
  for (std::size_t count = 1; count <= last_.size(); ++count) {
    for (std::size_t i = 0; i < count; ++i) add(last_[i]);
  }
  return values;
}

bool TablePages::next(sql::Connection& connection, const sql::RowVisitor& visit) {
  std::vector<KeyPart> reached;
  connection.query(query_after(), parameters(), [&](const sql::Row& row) {
    visit(row);
    reached.clear();
    for (const std::string& column : table_.key) {
      const int at = static_cast<int>(reached.size());
      const bool is_text = table_.column(column).type == ColumnType::kName;
      reached.push_back({is_text, std::string(row.text(at)), row.integer(at)});
    }
  });
  if (reached.empty()) return false;
  last_ = std::move(reached);
  return true;
}

}  // namespace rivera::bbs
