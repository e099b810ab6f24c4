#include "simulation/command.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/config/command_line.h"
#include "base/duration.h"
#include "base/files.h"
#include "simulation/real/real_command.h"
#include "simulation/report/report.h"
#include "simulation/scenarios/scenarios.h"
#include "simulation/scenarios/upstream_scenarios.h"

namespace rivera::simulation {
namespace {

struct Wishes {
  std::vector<std::string> names;
  bool list = false;
  bool rolling = false;
  bool real = false;
  Scale scale;
  TimelineOptions timeline;
  std::string start_time = "10s";
  std::string max_in_flight = "10%";
  std::string evacuation_timeout = "10m";
  std::string replacement_time = "3m";
  std::string html = "rivera-sim.html";
  RealOptions real_options;
};

SimTime time_of(const std::string& option, const std::string& text) {
  try {
    return std::chrono::duration_cast<SimTime>(base::parse_go_duration(text));
  } catch (const std::exception&) {
    throw std::invalid_argument(option + " wants a duration such as 10m, not " + text);
  }
}

// "10%" of the cells, or a number of them; at least one.
std::size_t cells_in_flight(const std::string& text, std::size_t cells) {
  std::size_t used = 0;
  double number = 0;
  try {
    number = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  const std::string unit = text.substr(used);
  if (used == 0 || !(number > 0) || (!unit.empty() && unit != "%")) {
    throw std::invalid_argument("--max-in-flight wants a number of cells or a percentage, not " + text);
  }
  if (unit == "%") number *= static_cast<double>(cells) / 100;
  return std::clamp<std::size_t>(static_cast<std::size_t>(number), 1, std::max<std::size_t>(cells, 1));
}

void add_options(CLI::App& app, Wishes& wishes) {
  app.add_option("scenario", wishes.names, "what to simulate, by name or beginning of it (default: all)");
  app.add_flag("--list", wishes.list, "print the names and exit");
  app.add_flag("--rolling", wishes.rolling, "the rolling upgrade alone, with the starting limit and without");
  app.add_option("--cells", wishes.scale.cells)->capture_default_str()->check(CLI::Range(1, 100'000));
  app.add_option("--zones", wishes.scale.zones)->capture_default_str()->check(CLI::Range(1, 1'000));
  app.add_option("--instances", wishes.scale.instances, "on a full cluster (--real: desired; 100000)")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  app.add_option("--cell-memory", wishes.scale.cell_memory, "MB")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--seed", wishes.timeline.seed, "of everything that is drawn at random")->capture_default_str();
  auto& placement = wishes.timeline.placement;
  app.add_option("--starting-limit", placement.starting_container_count_maximum,
                 "containers starting at once; 0: no limit")
      ->capture_default_str();
  app.add_option("--starting-weight", placement.starting_container_weight)->capture_default_str();
  app.add_option("--bin-pack-weight", placement.bin_pack_first_fit_weight)->capture_default_str();
  app.add_option("--start-time", wishes.start_time, "of a container (--real: 0s)")->capture_default_str();
  app.add_option("--parallel-starts", wishes.timeline.parallel_starts, "containers a cell starts at full speed")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--max-in-flight", wishes.max_in_flight, "cells evacuating or being replaced")->capture_default_str();
  app.add_option("--evacuation-timeout", wishes.evacuation_timeout, "of one cell")->capture_default_str();
  app.add_option("--replacement-time", wishes.replacement_time, "from a cell's end to its successor")
      ->capture_default_str();
  app.add_option("--html", wishes.html, "where the report goes; \"\" for none")->capture_default_str();
  app.add_flag("--real", wishes.real, "real locket, bbs and auctioneer, with cells that speak the rep's API");
  add_real_options(app, wishes.real_options);
}

std::vector<ScenarioSource> all_sources(const Wishes& wishes) {
  std::vector<ScenarioSource> all;
  if (!wishes.rolling) {
    for (auto& scenario : upstream_scenarios(wishes.timeline.seed)) {
      all.push_back({scenario.name, [scenario] { return scenario; }});
    }
    for (auto& source : own_scenarios(wishes.scale, wishes.timeline)) all.push_back(std::move(source));
  }
  RollingOptions rolling;
  rolling.max_in_flight = cells_in_flight(wishes.max_in_flight, wishes.scale.cells);
  rolling.evacuation_timeout = time_of("--evacuation-timeout", wishes.evacuation_timeout);
  rolling.replacement_time = time_of("--replacement-time", wishes.replacement_time);
  TimelineOptions unlimited = wishes.timeline;
  unlimited.placement.starting_container_count_maximum = 0;
  all.push_back(
      {"rolling-unlimited", [=, scale = wishes.scale] { return rolling_upgrade(scale, unlimited, rolling); }});
  if (wishes.timeline.placement.starting_container_count_maximum > 0) {
    const auto limited = wishes.timeline;
    all.push_back({"rolling", [=, scale = wishes.scale] { return rolling_upgrade(scale, limited, rolling); }});
  }
  return all;
}

bool is_wanted(const ScenarioSource& source, const std::vector<std::string>& names) {
  return names.empty() || std::any_of(names.begin(), names.end(),
                                      [&source](const std::string& name) { return source.name.starts_with(name); });
}

int simulate(const Wishes& wishes) {
  std::vector<Outcome> outcomes;
  for (const auto& source : all_sources(wishes)) {
    if (!is_wanted(source, wishes.names)) continue;
    if (wishes.list) {
      fmt::print("{}\n", source.name);
      continue;
    }
    outcomes.push_back(run(source.make()));
  }
  if (wishes.list) return 0;
  if (outcomes.empty()) throw std::invalid_argument("no scenario has such a name: see --list");
  fmt::print("{}", table_of(outcomes));
  if (!wishes.html.empty()) {
    base::write_file_atomically(wishes.html, page_of(outcomes));
    fmt::print("\nreport: {}\n", std::filesystem::absolute(wishes.html).string());
  }
  const auto failed = [](const Outcome& outcome) { return !outcome.verdict.empty(); };
  return std::any_of(outcomes.begin(), outcomes.end(), failed) ? 1 : 0;
}

}  // namespace

int run_command(int argc, char** argv) {
  Wishes wishes;
  wishes.timeline.placement.starting_container_count_maximum = 200;
  wishes.timeline.placement.starting_container_weight = 0.25;
  CLI::App app{"Simulates placement: upstream's scenarios, our own, at any scale; or with real components"};
  app.name("rivera-sim");
  add_options(app, wishes);
  try {
    app.parse(base::arguments_for_cli11(argc, argv));
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  }
  try {
    if (wishes.real) {
      if (app.count("--start-time") > 0) wishes.real_options.start_time = time_of("--start-time", wishes.start_time);
      wishes.real_options.cells = wishes.scale.cells;
      wishes.real_options.zones = wishes.scale.zones;
      if (app.count("--instances") > 0) wishes.real_options.instances = wishes.scale.instances;
      if (app.count("--starting-limit") > 0) {
        wishes.real_options.starting_limit = wishes.timeline.placement.starting_container_count_maximum;
      }
      return run_real_command(wishes.real_options);
    }
    wishes.timeline.start_time = time_of("--start-time", wishes.start_time);
    return simulate(wishes);
  } catch (const std::invalid_argument& e) {
    fmt::print(stderr, "rivera-sim: {}\n", e.what());
    return 2;
  }
}

}  // namespace rivera::simulation
