// A walk over every key of a program's table: each has the effect that the table says.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/config/config.h"

namespace rivera::base::testing {

// The result of loading a configuration.
struct LoadedConfig {
  std::string fields;  // fields_of() the program's own
  ConfigNotices notices;
};

struct ConfigWalk {
  ConfigKeys keys;
  ConfigSource source = ConfigSource::kJson;
  boost::json::object base;  // what a configuration needs to be right at all
  // Reads a configuration as the program does. Throws what the program throws.
  std::function<LoadedConfig(const boost::json::object&)> load;
  // Values for keys where any other text or number would be refused, by path ("nats.hosts[].port").
  std::map<std::string, boost::json::value> samples;
  // What else must be set for a key to have its effect, by the key's path.
  std::map<std::string, boost::json::object> contexts;
  // Keys whose default follows from other keys: to set them to it is not the same as to leave them out.
  std::set<std::string> with_derived_default;
};

// One line for each key that does not do what its table says; empty if all do:
//  - a key with an effect changes what is read, and is not noted;
//  - a key without one is noted when it is set, and not by its default;
//  - a key that is refused is refused by name, and not by its default;
//  - a value of a wrong type is refused by name;
//  - null, and the default, mean the same as no key;
//  - in JSON, the name matches in any case.
std::vector<std::string> walk_config(const ConfigWalk& walk);

// The keys that a table in a specification names: the code in the first column of the rows below the heading that
// begins with `heading`, up to the next heading, "a.{b,c}" and "a, b" taken apart. `file` is below docs/spec. Names
// that begin with "_" or "…" are ends of names. Throws std::runtime_error if there is no such heading.
std::vector<std::string> keys_in_specification(const std::string& file, const std::string& heading);

// Those of `named` that the table does not have. A name with a "*" in it is a beginning.
std::vector<std::string> keys_missing(const std::vector<std::string>& named, const ConfigKeys& keys);

}  // namespace rivera::base::testing
