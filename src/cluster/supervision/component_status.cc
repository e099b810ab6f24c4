#include "cluster/supervision/component_status.h"

#include <stdexcept>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

namespace rivera::cluster {

namespace json = boost::json;

std::string to_json(const std::vector<ComponentStatus>& components) {
  json::array out;
  for (const ComponentStatus& c : components) {
    out.push_back(json::object{{"name", c.name},
                               {"pid", c.pid},
                               {"address", c.address},
                               {"healthy", c.healthy},
                               {"restarts", c.restarts},
                               {"last_end", c.last_end}});
  }
  return json::serialize(out);
}

std::vector<ComponentStatus> parse_component_statuses(const std::string& text) {
  std::vector<ComponentStatus> out;
  try {
    const json::value parsed = json::parse(text);
    for (const json::value& value : parsed.as_array()) {
      const json::object& c = value.as_object();
      out.push_back({.name = json::value_to<std::string>(c.at("name")),
                     .address = json::value_to<std::string>(c.at("address")),
                     .pid = static_cast<pid_t>(c.at("pid").to_number<std::int64_t>()),
                     .healthy = c.at("healthy").as_bool(),
                     .restarts = static_cast<int>(c.at("restarts").to_number<std::int64_t>()),
                     .last_end = json::value_to<std::string>(c.at("last_end"))});
    }
  } catch (const std::exception& e) {
    throw std::runtime_error(std::string("unreadable answer of the supervisor: ") + e.what());
  }
  return out;
}

}  // namespace rivera::cluster
