// JSON as Go's encoding/json reads and writes it: the form that upstream's peers expect of texts without a protobuf
// form.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "models/go/go_values.h"

namespace rivera::models::go_json {

// Builds one text, bytes as Go's Marshal gives them: no spaces; <, >, & and the two Unicode line separators escaped.
class Writer {
 public:
  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_list() { return open('['); }
  Writer& end_list() { return close(']'); }
  Writer& key(std::string_view name);
  Writer& text(std::string_view value);
  Writer& integer(std::int64_t value);
  Writer& natural(std::uint64_t value);
  Writer& number(double value);
  Writer& flag(bool value);
  Writer& null();
  // A value that is JSON already.
  Writer& raw(std::string_view json);

  std::string take() { return std::move(out_); }

 private:
  Writer& open(char bracket);
  Writer& close(char bracket);
  void separate();
  void append_quoted(std::string_view value);

  std::string out_;
  bool needs_comma_ = false;
};

enum class Rest { kIsError, kIsIgnored };

// Parses `json`; what follows the value is treated as `rest` says. `memory` must outlive the value.
// Throws JsonError.
boost::json::value parse(std::string_view json, Rest rest, boost::json::storage_ptr memory);

// Object keys match without case, as Go's do.
bool same_key(std::string_view key, std::string_view name);

// Each leaves `into` alone for null, and throws JsonError naming `key` for a value of another type.
void read(const boost::json::value& value, std::string_view key, std::string& into);
void read(const boost::json::value& value, std::string_view key, bool& into);
void read(const boost::json::value& value, std::string_view key, std::int32_t& into);
void read(const boost::json::value& value, std::string_view key, std::int64_t& into);
void read(const boost::json::value& value, std::string_view key, std::uint64_t& into);
void read(const boost::json::value& value, std::string_view key, double& into);

[[noreturn]] void fail(std::string_view key, std::string_view expected);

// Calls on_field(key, value) for each member, in order. Null has none.
template <typename OnField>
void read_object(const boost::json::value& value, std::string_view key, OnField on_field) {
  if (value.is_null()) return;
  if (!value.is_object()) fail(key, "an object");
  for (const auto& member : value.get_object()) on_field(std::string_view(member.key()), member.value());
}

// Reads each element with read_element(element, into_item); a null element stays an empty item, as in Go.
template <typename T, typename ReadElement>
void read_list(const boost::json::value& value, std::string_view key, NullableList<T>& into, ReadElement read_element) {
  into.clear();
  into.null_if_empty = value.is_null();
  if (value.is_null()) return;
  if (!value.is_array()) fail(key, "a list");
  into.reserve(value.get_array().size());
  for (const auto& element : value.get_array()) read_element(element, into.emplace_back());
}

void read(const boost::json::value& value, std::string_view key, StringList& into);
void write(Writer& out, const StringList& list);

}  // namespace rivera::models::go_json
