// What goes into a statement and what comes out of it.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rivera::sql {

// Marks bytes that are to be stored as they are, in a BLOB/BYTEA column.
struct Blob {
  std::string_view bytes;
};

// One value for a "?". A view: what it refers to must live until the statement has run.
class Parameter {
 public:
  enum class Kind { kNull, kInteger, kText, kBlob };

  Parameter(std::nullptr_t) {}
  Parameter(bool value) : kind_(Kind::kInteger), integer_(value ? 1 : 0) {}
  Parameter(int value) : kind_(Kind::kInteger), integer_(value) {}
  Parameter(unsigned value) : kind_(Kind::kInteger), integer_(value) {}
  Parameter(long value) : kind_(Kind::kInteger), integer_(value) {}
  Parameter(long long value) : kind_(Kind::kInteger), integer_(value) {}
  Parameter(unsigned long value) : kind_(Kind::kInteger), integer_(static_cast<std::int64_t>(value)) {}
  Parameter(std::string_view value) : kind_(Kind::kText), bytes_(value) {}
  Parameter(const std::string& value) : kind_(Kind::kText), bytes_(value) {}
  Parameter(const char* value) : kind_(Kind::kText), bytes_(value) {}
  Parameter(Blob value) : kind_(Kind::kBlob), bytes_(value.bytes) {}

  Kind kind() const { return kind_; }
  std::int64_t integer() const { return integer_; }
  std::string_view bytes() const { return bytes_; }

 private:
  Kind kind_ = Kind::kNull;
  std::int64_t integer_ = 0;
  std::string_view bytes_;
};

// The values of a statement's "?", in order: `{key, owner, 15}`, or a vector.
class Parameters {
 public:
  Parameters() = default;
  Parameters(std::initializer_list<Parameter> values) : values_(values.begin(), values.size()) {}
  Parameters(const std::vector<Parameter>& values) : values_(values) {}
  Parameters(std::span<const Parameter> values) : values_(values) {}

  std::size_t size() const { return values_.size(); }
  const Parameter& operator[](std::size_t index) const { return values_[index]; }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

 private:
  std::span<const Parameter> values_;
};

// The row a query stands on. Columns count from 0. Views are valid until the visitor returns.
// Getters throw sql::Error(kOther) for a column that does not exist.
class Row {
 public:
  virtual ~Row() = default;
  virtual int columns() const = 0;
  virtual bool is_null(int column) const = 0;
  // NULL gives 0; text is read as a number ("t"/"true" as 1).
  virtual std::int64_t integer(int column) const = 0;
  // NULL gives "".
  virtual std::string_view text(int column) const = 0;
  // The bytes of a BLOB/BYTEA column (decoded where the engine sends them encoded). NULL gives "".
  virtual std::string_view blob(int column) const = 0;
};

using RowVisitor = std::function<void(const Row&)>;

// A statement with its values, for Connection::execute_batch().
struct Statement {
  std::string_view sql;
  std::vector<Parameter> parameters;
};

}  // namespace rivera::sql
