// Seeds of targets, for corpus_of().
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace rivera::fuzz {

using Seeds = std::vector<std::string>;

// Each line of a file of tests/golden.
void for_each_line(const std::string& file_name, const std::function<void(const boost::json::object&)>& visit);
// The member if it is a text, else "".
std::string text_of(const boost::json::object& object, std::string_view key);
// Adds `bytes` under each of the first bytes that pick a reader.
void add(Seeds& seeds, const std::string& bytes, int first, int last);

Seeds of_archives();
Seeds of_tar_streams();
Seeds of_layers();
Seeds of_registry_documents();
Seeds of_garden_messages();
Seeds of_route_messages();
Seeds of_http_heads();

}  // namespace rivera::fuzz
