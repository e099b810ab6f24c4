#include <fmt/format.h>

#include "simulation/report/report.h"
#include "simulation/report/svg.h"
#include "simulation/world/measures.h"

namespace rivera::simulation {
namespace {

std::string upstream_column(const Outcome& outcome) {
  if (!outcome.upstream_score.empty()) return outcome.upstream_score;
  if (outcome.score_by_upstreams_rules) return fmt::format("{:.4f} (rules)", *outcome.score_by_upstreams_rules);
  return "-";
}

std::string line_of(const Outcome& outcome) {
  const auto spread = range_of(new_instances_by_cell(outcome.world));
  std::string starting = "-";
  std::string wait = "-";
  std::string away = "-";
  if (outcome.course) {
    const Course& course = *outcome.course;
    starting = with_commas(static_cast<std::int64_t>(course.most_starting));
    wait = duration_text(static_cast<double>(percentile(course.waits, 0.99)));
    away = with_commas(static_cast<std::int64_t>(course.most_unavailable));
  }
  return fmt::format("{:<34} {:>6} {:>9} {:>9} {:>8.4f} {:>8.4f} {:>16} {:>11} {:>10} {:>9} {:>9} {:>9}  {}\n",
                     outcome.name, outcome.world.cells().size(), with_commas(static_cast<std::int64_t>(outcome.wanted)),
                     with_commas(static_cast<std::int64_t>(outcome.placed)), outcome.score_before, outcome.score_after,
                     upstream_column(outcome), fmt::format("{}..{}", spread.least, spread.most),
                     fmt::format("{:.1f} ms", static_cast<double>(outcome.placement_time.count()) / 1e6), starting,
                     wait, away, outcome.verdict.empty() ? "ok" : "NOT AS IT SHOULD BE: " + outcome.verdict);
}

}  // namespace

std::string table_of(const std::vector<Outcome>& outcomes) {
  std::string text = fmt::format("{:<34} {:>6} {:>9} {:>9} {:>8} {:>8} {:>16} {:>11} {:>10} {:>9} {:>9} {:>9}\n",
                                 "scenario", "cells", "wanted", "placed", "before", "after", "upstream", "new a cell",
                                 "placement", "starting", "wait p99", "not up");
  for (const auto& outcome : outcomes) text += line_of(outcome);
  text +=
      "\nbefore, after: distribution score (deviation by mean of memory on a cell, 0 is even). upstream: the same, "
      "measured of upstream,\nor by upstream's rules in our implementation. placement: processor time. starting, not "
      "up: the most at once.\n";
  return text;
}

}  // namespace rivera::simulation
