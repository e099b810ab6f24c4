#include <fmt/format.h>

#include "simulation/report/report.h"
#include "simulation/report/svg.h"
#include "simulation/world/measures.h"

namespace rivera::simulation {
namespace {

std::string upstream_column(const ScenarioResult& result) {
  if (!result.upstream_score.empty()) return result.upstream_score;
  if (result.score_by_upstreams_rules) return fmt::format("{:.4f} (rules)", *result.score_by_upstreams_rules);
  return "-";
}

std::string line_of(const ScenarioResult& result) {
  const auto spread = range_of(new_instances_by_cell(result.world));
  std::string starting = "-";
  std::string wait = "-";
  std::string away = "-";
  if (result.course) {
    const Course& course = *result.course;
    starting = with_commas(static_cast<std::int64_t>(course.most_starting));
    wait = duration_text(static_cast<double>(percentile(course.waits, 0.99)));
    away = with_commas(static_cast<std::int64_t>(course.most_unavailable));
  }
  return fmt::format("{:<34} {:>6} {:>9} {:>9} {:>8.4f} {:>8.4f} {:>16} {:>11} {:>10} {:>9} {:>9} {:>9}  {}\n",
                     result.name, result.world.cells().size(), with_commas(static_cast<std::int64_t>(result.wanted)),
                     with_commas(static_cast<std::int64_t>(result.placed)), result.score_before, result.score_after,
                     upstream_column(result), fmt::format("{}..{}", spread.least, spread.most),
                     fmt::format("{:.1f} ms", static_cast<double>(result.placement_time.count()) / 1e6), starting, wait,
                     away, result.verdict.empty() ? "ok" : "NOT AS IT SHOULD BE: " + result.verdict);
}

}  // namespace

std::string table_of(const std::vector<ScenarioResult>& results) {
  std::string text = fmt::format("{:<34} {:>6} {:>9} {:>9} {:>8} {:>8} {:>16} {:>11} {:>10} {:>9} {:>9} {:>9}\n",
                                 "scenario", "cells", "wanted", "placed", "before", "after", "upstream", "new a cell",
                                 "placement", "starting", "wait p99", "not up");
  for (const auto& result : results) text += line_of(result);
  text +=
      "\nbefore, after: distribution score (deviation by mean of memory on a cell, 0 is even). upstream: the same, "
      "measured of upstream,\nor by upstream's rules in our implementation. placement: processor time. starting, not "
      "up: the most at once.\n";
  return text;
}

}  // namespace rivera::simulation
