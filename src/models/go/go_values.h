// What Go distinguishes in JSON and C++ does not: a nil list from an empty one.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace rivera::models {

// A JSON text that is not what its reader expects. The message names the offending key.
class JsonError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A list that remembers how Go would print it when it is empty: nil is `null`, otherwise it is `[]`.
template <typename T>
struct NullableList : std::vector<T> {
  using std::vector<T>::vector;
  NullableList() = default;
  NullableList(std::vector<T> items)
      : std::vector<T>(std::move(items)), null_if_empty(false) {}  // NOLINT: as upstream's slices

  // An empty list that prints as `[]`.
  static NullableList made() { return NullableList(std::vector<T>{}); }

  bool is_null() const { return this->empty() && null_if_empty; }
  bool operator==(const NullableList& other) const {
    return static_cast<const std::vector<T>&>(*this) == static_cast<const std::vector<T>&>(other) &&
           is_null() == other.is_null();
  }

  bool null_if_empty = true;
};

using StringList = NullableList<std::string>;

}  // namespace rivera::models
