// Iterates over a table in small pages while others write to it.
#pragma once

#include <string>
#include <vector>

#include "bbs/rows/schema.h"
#include "sql/value.h"

namespace rivera::sql {
class Connection;
}

namespace rivera::bbs {

// Pages in the order of the primary key, whose columns come first in each row, followed by `columns`. A row that exists
// from the first page to the last is visited once.
class TablePages {
 public:
  // `size`: rows a page.
  TablePages(Table table, std::vector<std::string> columns, std::size_t size);

  // Visits the next page; false if there was none. `visit` must not use the connection.
  bool next(sql::Connection& connection, const sql::RowVisitor& visit);

 private:
  struct KeyPart {
    bool is_text;
    std::string text;
    std::int64_t integer = 0;
  };
  std::string query_after() const;
  std::vector<sql::Parameter> parameters() const;

  Table table_;
  std::vector<std::string> columns_;
  std::size_t size_;
  std::vector<KeyPart> last_;  // the last row's key; empty before the first page
};

}  // namespace rivera::bbs
