#include <algorithm>

#include <fmt/format.h>

#include "simulation/report/cell_picture.h"
#include "simulation/report/charts.h"
#include "simulation/report/report.h"
#include "simulation/report/svg.h"

namespace rivera::simulation {
namespace {

// Colours are variables, so that dark mode can replace them.
constexpr std::string_view kStyle = R"css(
:root{--paper:#f6f7f9;--card:#fff;--ink:#1c2330;--soft:#667085;--line:#e3e7ee;--room:#eef1f6;--bar:#3b6fd4;
--warn:#c92a2a;--area:#8fb1ee;--edge:#2f5fc4;--loss:#f3a6a6;--loss-edge:#c92a2a;--away:#cdd5e3;--away-edge:#7b879c;
--p0:#b8c0cd;--p1:#bcd2f2;--p2:#f5d3b3;--p3:#bfe3d3;--p4:#ecc8d8;--p5:#d8cff3;--p6:#ece3b0;
--p7:#1f5fd0;--p8:#e8590c;--p9:#0b8f6a;--p10:#c2255c;--p11:#7048e8}
@media(prefers-color-scheme:dark){:root{--paper:#12161d;--card:#1a2029;--ink:#e6eaf1;--soft:#98a3b5;--line:#2c3542;
--room:#232b37;--bar:#6d9bf1;--warn:#ff8787;--area:#34538f;--edge:#8fb1ee;--loss:#7a3030;--loss-edge:#ff8787;
--away:#39434f;--away-edge:#98a3b5;--p0:#5a6473;--p1:#4b6f9f;--p2:#96693f;--p3:#4a8069;--p4:#8a5770;--p5:#6d5f9c;
--p6:#857a3d;--p7:#6ea8ff;--p8:#ff9250;--p9:#3fd0a2;--p10:#ff6f9f;--p11:#a98bff}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1400px;margin:0 auto;padding:28px 24px 60px}h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:0}
h3{font-size:13px;margin:0 0 6px;font-weight:600}p{margin:4px 0 14px;color:var(--soft)}
section,.card,table{background:var(--card);border:1px solid var(--line);border-radius:10px}
section{padding:18px 20px;margin:18px 0}.card{padding:12px 14px;min-width:0}
table{border-collapse:separate;border-spacing:0;width:100%;margin:16px 0;font-variant-numeric:tabular-nums}
table{font-size:12.5px}th,td{padding:5px 8px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
tr:last-child td{border-bottom:0}th{color:var(--soft);font-weight:600;font-size:12px}
th:first-child,td:first-child{text-align:left}.scroll{overflow-x:auto}
.tiles{display:flex;flex-wrap:wrap;gap:8px 26px;margin:10px 0 14px}.tile b{display:block;font-size:19px;
font-variant-numeric:tabular-nums}.tile span{color:var(--soft);font-size:12px}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(480px,1fr));gap:22px 28px;margin-top:18px}
.small{display:grid;grid-template-columns:repeat(auto-fill,minmax(310px,1fr));gap:12px}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;color:var(--soft);font-size:12px;margin:8px 0 0}
.legend i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:5px;vertical-align:-1px}
.bad{color:var(--warn);font-weight:600}svg{display:block;width:100%;height:auto}
svg text{font-size:12px;fill:var(--ink)}svg .soft{fill:var(--soft);font-size:11px}svg .strong{font-weight:600}
svg .axis{stroke:var(--soft);stroke-width:1}svg .grid{stroke:var(--line);stroke-width:1}svg .room{fill:var(--room)}
svg .bar{fill:var(--bar)}svg .whisker{stroke:var(--ink);stroke-width:3}
svg .series{fill:var(--area);stroke:var(--edge);stroke-width:1}
svg .loss{fill:var(--loss);stroke:var(--loss-edge);stroke-width:1}
svg .away{fill:var(--away);stroke:var(--away-edge);stroke-width:1}
svg .limit{stroke:var(--warn);stroke-width:1.5;stroke-dasharray:5 4}svg .limit-text{fill:var(--warn);font-size:11px}
)css";

std::string colour_rules() {
  std::string css;
  for (int i = 0; i <= 11; ++i) {
    css += fmt::format("svg .p{0}{{fill:var(--p{0})}}.legend .p{0}{{background:var(--p{0})}}", i);
  }
  return css;
}

std::string count_text(std::size_t number) { return with_commas(static_cast<std::int64_t>(number)); }

bool is_upstreams(const ScenarioResult& result) { return result.name.starts_with("upstream-"); }

std::string upstream_score_text(const ScenarioResult& result) {
  if (!result.upstream_score.empty()) return result.upstream_score;
  if (result.score_by_upstreams_rules) return fmt::format("{:.4f}", *result.score_by_upstreams_rules);
  return "–";
}

std::string verdict_text(const ScenarioResult& result) {
  return result.verdict.empty() ? "ok" : "<span class=\"bad\">" + escaped(result.verdict) + "</span>";
}

std::string table_row(const ScenarioResult& result) {
  const auto spread = range_of(new_instances_by_cell(result.world));
  const auto desired = [&result](std::size_t number) { return result.wanted > 0 ? count_text(number) : "–"; };
  std::string row = fmt::format(
      "<tr><td><a href=\"#{}\">{}</a></td><td>{}</td><td>{}</td><td>{}</td><td>{:.4f}</td><td>{:.4f}</td><td>{}</td>"
      "<td>{} – {}</td><td>{:.1f} ms</td>",
      result.name, escaped(result.title), count_text(result.world.cells().size()), desired(result.wanted),
      desired(result.placed), result.score_before, result.score_after, upstream_score_text(result), spread.least,
      spread.most, static_cast<double>(result.placement_time.count()) / 1e6);
  if (result.course) {
    row += fmt::format("<td>{}</td><td>{}</td><td>{}</td>", count_text(result.course->most_starting),
                       duration_text(static_cast<double>(percentile(result.course->waits, 0.99))),
                       count_text(result.course->most_unavailable));
  } else {
    row += "<td>–</td><td>–</td><td>–</td>";
  }
  return row + "<td>" + verdict_text(result) + "</td></tr>\n";
}

std::string summary_table(const std::vector<ScenarioResult>& results) {
  std::string html =
      "<div class=\"scroll\"><table><tr><th>Scenario</th><th>Cells</th><th>Desired</th><th>Placed</th>"
      "<th>Score before</th><th>After</th><th>Upstream's</th><th>New on a cell</th><th>Placing</th>"
      "<th>Most starting</th><th>Wait p99</th><th>Most not up</th><th>Verdict</th></tr>\n";
  for (const auto& result : results) {
    if (!is_upstreams(result)) html += table_row(result);
  }
  for (const auto& result : results) {
    if (is_upstreams(result)) html += table_row(result);
  }
  return html + "</table></div>\n";
}

std::string tile(const std::string& value, std::string_view label) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>", value, label);
}

std::string tiles_of(const ScenarioResult& result) {
  std::string html = "<div class=\"tiles\">";
  if (result.wanted > 0) html += tile(count_text(result.placed) + " of " + count_text(result.wanted), "placed");
  html += tile(fmt::format("{:.4f} → {:.4f}", result.score_before, result.score_after), "distribution score");
  if (result.score_by_upstreams_rules) html += tile(upstream_score_text(result), "score by upstream's rules");
  html += tile(fmt::format("{:.0f} ms", static_cast<double>(result.placement_time.count()) / 1e6),
               "placing, processor time");
  if (result.course) {
    const Course& course = *result.course;
    html += tile(count_text(course.auctions), "auctions");
    html += tile(count_text(course.most_starting), "most containers starting");
    html += tile(count_text(course.most_starting_on_a_cell), "most starting on one cell");
    html += tile(duration_text(static_cast<double>(percentile(course.waits, 0.5))), "half had to wait up to");
    html += tile(duration_text(static_cast<double>(percentile(course.waits, 0.99))), "99 % up to");
    html += tile(duration_text(course.unavailable_seconds), "instance time not up, summed");
    html += tile(duration_text(std::chrono::duration<double>(course.ended).count()), "until quiet");
    if (course.never_placed > 0) html += tile(count_text(course.never_placed), "without a cell at the end");
  }
  return html + "</div>";
}

std::string legend_of(const ProcessColours& colours) {
  std::string html = "<div class=\"legend\">";
  for (const auto& entry : colours.legend()) {
    html += fmt::format("<span><i class=\"{}\"></i>{}</span>", entry.css_class, escaped(entry.text));
  }
  return html + "</div>";
}

std::string chart(std::string_view title, const std::string& svg) {
  return fmt::format("<div><h3>{}</h3>{}</div>\n", title, svg);
}

std::string time_charts(const ScenarioResult& result) {
  const Course& course = *result.course;
  const double ends_at = std::chrono::duration<double>(course.ended).count();
  const auto series = [&course](std::string label, std::size_t Sample::*field, std::string css_class) {
    Series one{.label = std::move(label), .css_class = std::move(css_class)};
    for (const auto& sample : course.samples) {
      one.points.emplace_back(std::chrono::duration<double>(sample.at).count(), static_cast<double>(sample.*field));
    }
    return one;
  };
  auto starting = series("containers starting", &Sample::starting, "series");
  if (result.starting_limit > 0) starting.limit = static_cast<double>(result.starting_limit);
  std::string html = chart("Containers starting", time_chart(starting, ends_at));
  html += chart("How long instances waited until they ran", wait_chart(course.waits));
  html += chart("Instances not up", time_chart(series("instances not up", &Sample::unavailable, "loss"), ends_at));
  const bool has_cells_away = std::any_of(course.samples.begin(), course.samples.end(),
                                          [](const Sample& sample) { return sample.cells_away > 0; });
  if (has_cells_away) {
    html += chart("Cells evacuating, being replaced or lost",
                  time_chart(series("cells away", &Sample::cells_away, "away"), ends_at));
  }
  return html;
}

std::string failures_of(const ScenarioResult& result) {
  if (result.failures.empty()) return "";
  std::string html = "<p>Placement errors given: ";
  bool is_first = true;
  for (const auto& [error, count] : result.failures) {
    html += (is_first ? "" : "; ") + escaped(error) + " (" + count_text(count) + ")";
    is_first = false;
  }
  return html + ".</p>";
}

std::string section_of(const ScenarioResult& result) {
  const ProcessColours colours(result.world);
  std::string html = fmt::format("<section id=\"{}\"><h2>{}</h2><p>{}</p>", result.name, escaped(result.title),
                                 escaped(result.description));
  if (!result.verdict.empty()) html += "<p>" + verdict_text(result) + "</p>";
  html += tiles_of(result) + failures_of(result);
  html += "<h3>Cells by zone: memory used, by process</h3>" + cell_picture(result.world, colours, 1340, 96);
  html += legend_of(colours);
  html += "<div class=\"grid\">";
  std::vector<std::int64_t> counts;
  for (const auto& cell : result.world.cells()) counts.push_back(static_cast<std::int64_t>(cell.instances.size()));
  html += chart("Distribution: cells by number of instances", histogram_chart(counts));
  html +=
      chart("Memory by zone (dark line: from the emptiest to the fullest cell)", zone_chart(use_by_zone(result.world)));
  if (result.course) html += time_charts(result);
  return html + "</div></section>\n";
}

std::string card_of(const ScenarioResult& result) {
  const ProcessColours colours(result.world);
  const auto spread = range_of(new_instances_by_cell(result.world));
  return fmt::format(
      "<div class=\"card\" id=\"{}\"><h3>{}</h3>{}<p>{} of {} placed, {} to {} on a cell<br>score {:.3f} → {:.3f}, "
      "upstream {}, {}</p></div>\n",
      result.name, escaped(result.title), cell_picture(result.world, colours, 420, 70), count_text(result.placed),
      count_text(result.wanted), spread.least, spread.most, result.score_before, result.score_after,
      upstream_score_text(result), verdict_text(result));
}

}  // namespace

std::string page_of(const std::vector<ScenarioResult>& results) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>rivera-sim</title><style>{}{}</style></head><body><main>\n"
      "<h1>Placement, simulated</h1><p>The distribution score is the standard deviation of the instances' memory on a "
      "cell, divided by its mean: 0 is perfectly even. Upstream's score was measured of upstream where its own suite "
      "has the scenario; elsewhere it is what upstream's rules give (ties at random, proxy memory not reserved).</p>\n",
      kStyle, colour_rules());
  html += summary_table(results);
  for (const auto& result : results) {
    if (!is_upstreams(result)) html += section_of(result);
  }
  if (std::any_of(results.begin(), results.end(), is_upstreams)) {
    html +=
        "<section><h2>Upstream's simulation suite</h2><p>One auction each; a bar is a cell.</p><div class=\"small\">";
    for (const auto& result : results) {
      if (is_upstreams(result)) html += card_of(result);
    }
    html += "</div></section>\n";
  }
  return html + "</main></body></html>\n";
}

}  // namespace rivera::simulation
