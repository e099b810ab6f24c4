// A YAML file as the values that base::ConfigFile reads.
#pragma once

#include <string>

#include <boost/json/object.hpp>

namespace rivera::gorouter {

// The mapping in the file at `path`. Every scalar becomes a text, as it is written, and null stays null: the table of
// keys says what a text means. Throws base::ConfigError if the file cannot be read or holds something other than a
// mapping.
boost::json::object read_yaml_file(const std::string& path);

}  // namespace rivera::gorouter
