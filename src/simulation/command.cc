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

struct CommandOptions {
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
    throw std::invalid_argument(option + " expects a duration such as 10m, not " + text);
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
    throw std::invalid_argument("--max-in-flight expects a number of cells or a percentage, not " + text);
  }
  if (unit == "%") number *= static_cast<double>(cells) / 100;
  return std::clamp<std::size_t>(static_cast<std::size_t>(number), 1, std::max<std::size_t>(cells, 1));
}

void add_options(CLI::App& app, CommandOptions& options) {
  app.add_option("scenario", options.names, "what to simulate, by name or beginning of it (default: all)");
  app.add_flag("--list", options.list, "print the names and exit");
  app.add_flag("--rolling", options.rolling, "the rolling upgrade alone, with the starting limit and without");
  app.add_option("--cells", options.scale.cells)->capture_default_str()->check(CLI::Range(1, 100'000));
  app.add_option("--zones", options.scale.zones)->capture_default_str()->check(CLI::Range(1, 1'000));
  app.add_option("--instances", options.scale.instances, "on a full cluster (--real: desired; 100000)")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  app.add_option("--cell-memory", options.scale.cell_memory, "MB")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--seed", options.timeline.seed, "of everything that is drawn at random")->capture_default_str();
  auto& placement = options.timeline.placement;
  app.add_option("--starting-limit", placement.starting_container_count_maximum,
                 "containers starting at once; 0: no limit")
      ->capture_default_str();
  app.add_option("--starting-weight", placement.starting_container_weight)->capture_default_str();
  app.add_option("--bin-pack-weight", placement.bin_pack_first_fit_weight)->capture_default_str();
  app.add_option("--start-time", options.start_time, "of a container (--real: 0s)")->capture_default_str();
  app.add_option("--parallel-starts", options.timeline.parallel_starts, "containers a cell starts at full speed")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--max-in-flight", options.max_in_flight, "cells evacuating or being replaced")->capture_default_str();
  app.add_option("--evacuation-timeout", options.evacuation_timeout, "of one cell")->capture_default_str();
  app.add_option("--replacement-time", options.replacement_time, "from a cell's end to its successor")
      ->capture_default_str();
  app.add_option("--html", options.html, "where the report goes; \"\" for none")->capture_default_str();
  app.add_flag("--real", options.real, "real locket, bbs and auctioneer, with cells that speak the rep's API");
  add_real_options(app, options.real_options);
}

std::vector<ScenarioSource> all_sources(const CommandOptions& options) {
  std::vector<ScenarioSource> all;
  if (!options.rolling) {
    for (auto& scenario : upstream_scenarios(options.timeline.seed)) {
      all.push_back({scenario.name, [scenario] { return scenario; }});
    }
    for (auto& source : own_scenarios(options.scale, options.timeline)) all.push_back(std::move(source));
  }
  RollingOptions rolling;
  rolling.max_in_flight = cells_in_flight(options.max_in_flight, options.scale.cells);
  rolling.evacuation_timeout = time_of("--evacuation-timeout", options.evacuation_timeout);
  rolling.replacement_time = time_of("--replacement-time", options.replacement_time);
  TimelineOptions unlimited = options.timeline;
  unlimited.placement.starting_container_count_maximum = 0;
  all.push_back(
      {"rolling-unlimited", [=, scale = options.scale] { return rolling_upgrade(scale, unlimited, rolling); }});
  if (options.timeline.placement.starting_container_count_maximum > 0) {
    const auto limited = options.timeline;
    all.push_back({"rolling", [=, scale = options.scale] { return rolling_upgrade(scale, limited, rolling); }});
  }
  return all;
}

bool is_wanted(const ScenarioSource& source, const std::vector<std::string>& names) {
  return names.empty() || std::any_of(names.begin(), names.end(),
                                      [&source](const std::string& name) { return source.name.starts_with(name); });
}

int simulate(const CommandOptions& options) {
  std::vector<ScenarioResult> results;
  for (const auto& source : all_sources(options)) {
    if (!is_wanted(source, options.names)) continue;
    if (options.list) {
      fmt::print("{}\n", source.name);
      continue;
    }
    results.push_back(run(source.make()));
  }
  if (options.list) return 0;
  if (results.empty()) throw std::invalid_argument("no scenario has such a name: see --list");
  fmt::print("{}", table_of(results));
  if (!options.html.empty()) {
    base::write_file_atomically(options.html, page_of(results));
    fmt::print("\nreport: {}\n", std::filesystem::absolute(options.html).string());
  }
  const auto failed = [](const ScenarioResult& result) { return !result.verdict.empty(); };
  return std::any_of(results.begin(), results.end(), failed) ? 1 : 0;
}

}  // namespace

int run_command(int argc, char** argv) {
  CommandOptions options;
  options.timeline.placement.starting_container_count_maximum = 200;
  options.timeline.placement.starting_container_weight = 0.25;
  CLI::App app{"Simulates placement: upstream's scenarios, our own, at any scale; or with real components"};
  app.name("rivera-sim");
  add_options(app, options);
  try {
    app.parse(base::arguments_for_cli11(argc, argv));
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  try {
    if (options.real) {
      if (app.count("--start-time") > 0) options.real_options.start_time = time_of("--start-time", options.start_time);
      options.real_options.cells = options.scale.cells;
      options.real_options.zones = options.scale.zones;
      if (app.count("--instances") > 0) options.real_options.instances = options.scale.instances;
      if (app.count("--starting-limit") > 0) {
        options.real_options.starting_limit = options.timeline.placement.starting_container_count_maximum;
      }
      return run_real_command(options.real_options);
    }
    options.timeline.start_time = time_of("--start-time", options.start_time);
    return simulate(options);
  } catch (const std::invalid_argument& e) {
    fmt::print(stderr, "rivera-sim: {}\n", e.what());
    return 2;
  }
}

}  // namespace rivera::simulation
