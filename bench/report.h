// One JSON object a line: the output of every benchmark.
#pragma once

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace rivera::bench {

enum class Better { kHigher, kLower };

// Prints {"bench","case","metric","value","unit","target","ok"}. Without a target, `target` is null and `ok` true.
inline void report(std::string_view bench, std::string_view which, std::string_view metric, double value,
                   std::string_view unit, std::optional<double> target = std::nullopt,
                   Better better = Better::kHigher) {
  boost::json::object line;
  line["bench"] = bench;
  line["case"] = which;
  line["metric"] = metric;
  line["value"] = value;
  line["unit"] = unit;
  line["target"] = nullptr;
  line["ok"] = true;
  if (target) {
    line["target"] = *target;
    line["ok"] = better == Better::kHigher ? value >= *target : value <= *target;
  }
  std::puts(boost::json::serialize(line).c_str());
  std::fflush(stdout);
}

}  // namespace rivera::bench
