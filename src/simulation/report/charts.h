// The other pictures of the report.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "simulation/world/measures.h"

namespace rivera::simulation {

// How many cells hold how many instances.
std::string histogram_chart(const std::vector<std::int64_t>& instances_by_cell);

// The used memory of each zone, and its range over the cells.
std::string zone_chart(const std::map<std::string, ZoneUse>& zones);

// A quantity over time, in steps.
struct Series {
  std::string label = {};                              // "containers starting"
  std::vector<std::pair<double, double>> points = {};  // seconds, value; in ascending time
  std::optional<double> limit = {};                    // drawn as a line
  std::string css_class = "series";
};
std::string time_chart(const Series& series, double ends_at);

// The time of instances from "needed" to "runs".
std::string wait_chart(const std::vector<float>& seconds);

}  // namespace rivera::simulation
