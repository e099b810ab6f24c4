#include "seeds.h"

#include <fstream>

#include <boost/json.hpp>

#include "base/testing/places.h"
#include "targets.h"

namespace rivera::fuzz {

namespace json = boost::json;

void for_each_line(const std::string& file_name, const std::function<void(const json::object&)>& visit) {
  std::ifstream file(base::source_dir() + "/tests/golden/" + file_name);
  if (!file) broken("tests/golden/" + file_name + " can be read");
  for (std::string line; std::getline(file, line);) visit(json::parse(line).as_object());
}

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : "";
}

void add(Seeds& seeds, const std::string& bytes, int first, int last) {
  for (int kind = first; kind <= last; ++kind) seeds.push_back(static_cast<char>(kind) + bytes);
}

}  // namespace rivera::fuzz
