#include "simulation/report/report.h"

#include <gtest/gtest.h>

#include "simulation/report/cell_picture.h"
#include "simulation/report/charts.h"
#include "simulation/report/svg.h"
#include "simulation/scenarios/scenarios.h"
#include "simulation/scenarios/upstream_scenarios.h"

namespace rivera::simulation {
namespace {

using namespace std::chrono_literals;

std::size_t occurrences(const std::string& text, const std::string& of) {
  std::size_t count = 0;
  for (auto at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) ++count;
  return count;
}

std::vector<ScenarioResult> some_results() {
  constexpr Scale kSmall{.cells = 9, .zones = 3, .instances = 300, .cell_memory = 50'000};
  TimelineOptions options;
  options.placement.starting_container_weight = 0.25;
  options.placement.starting_container_count_maximum = 10;
  std::vector<ScenarioResult> results;
  results.push_back(run(upstream_scenarios(1).front()));
  results.push_back(run(rolling_upgrade(kSmall, options, {.max_in_flight = 1})));
  results.back().verdict = "broken & <bad>";
  return results;
}

TEST(Page, NeedsNoOtherFile) {
  const std::string page = page_of(some_results());
  EXPECT_EQ(page.find("http"), std::string::npos);
  EXPECT_EQ(page.find("src="), std::string::npos);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("url("), std::string::npos);
}

TEST(Page, ShowsEachOutcomeWithItsPictures) {
  const auto results = some_results();
  const std::string page = page_of(results);
  for (const auto& result : results) {
    EXPECT_EQ(occurrences(page, "id=\"" + result.name + "\""), 1u);
    EXPECT_EQ(occurrences(page, "href=\"#" + result.name + "\""), 1u);
  }
  // The cells of both; histogram, zones, starting, waits, not up, cells away of the one over time.
  EXPECT_EQ(occurrences(page, "<svg"), 8u);
  EXPECT_EQ(occurrences(page, "<svg"), occurrences(page, "</svg>"));
  EXPECT_NE(page.find("limit 10"), std::string::npos);
}

TEST(Page, EscapesWhatItIsGiven) {
  const std::string page = page_of(some_results());
  EXPECT_NE(page.find("broken &amp; &lt;bad&gt;"), std::string::npos);
  EXPECT_EQ(page.find("<bad>"), std::string::npos);
}

TEST(Table, HasALineForEachOutcome) {
  const std::string table = table_of(some_results());
  EXPECT_NE(table.find("\nupstream-1-cold-4 "), std::string::npos);
  EXPECT_NE(table.find("\nrolling "), std::string::npos);
  EXPECT_NE(table.find("NOT AS IT SHOULD BE: broken"), std::string::npos);
}

TEST(ProcessColours, GivesTheLargestProcessesTheirOwn) {
  World world;
  for (int process = 0; process < 8; ++process) {
    world.add_process({.guid = "p" + std::to_string(process)});
    for (int i = 0; i <= process; ++i) world.add_instance(static_cast<ProcessId>(process));
  }
  const ProcessColours colours(world);
  const auto legend = colours.legend();
  ASSERT_EQ(legend.size(), 6u);
  EXPECT_EQ(legend[0].text, "p7 (8)");
  EXPECT_EQ(legend[4].text, "p3 (4)");
  EXPECT_NE(legend[5].text.find("other processes"), std::string::npos);
}

TEST(Charts, TakeEmptyAndEqualData) {
  EXPECT_NE(histogram_chart({}).find("</svg>"), std::string::npos);
  EXPECT_NE(histogram_chart({5, 5, 5}).find("class=\"bar\""), std::string::npos);
  EXPECT_NE(wait_chart({}).find("</svg>"), std::string::npos);
  EXPECT_NE(time_chart({.label = "nothing"}, 0).find("</svg>"), std::string::npos);
  EXPECT_NE(zone_chart({{"z", {}}}).find("no cell takes work"), std::string::npos);
}

TEST(Text, IsReadable) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(250'000), "250,000");
  EXPECT_EQ(with_commas(-1'234'567), "-1,234,567");
  EXPECT_EQ(duration_text(8), "8 s");
  EXPECT_EQ(duration_text(150), "2.5 min");
  EXPECT_EQ(duration_text(7'200), "2 h");
  EXPECT_EQ(escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
}

}  // namespace
}  // namespace rivera::simulation
