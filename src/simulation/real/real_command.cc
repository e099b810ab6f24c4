#include "simulation/real/real_command.h"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace rivera::simulation {
namespace {

namespace json = boost::json;

std::string case_of(const RealOptions& options) {
  return fmt::format("{} cells, {} instances of {} processes, {}", options.cells, options.instances, options.processes,
                     sql::to_string(options.engine));
}

json::object call_json(const CallTimes& times) {
  return {{"calls", times.calls}, {"mean_ms", times.mean_ms}, {"p50_ms", times.p50_ms}, {"p99_ms", times.p99_ms}};
}

std::string json_of(const RealOptions& options, const RealResult& result) {
  json::object milestones;
  for (const auto& milestone : result.milestones) milestones[milestone.what] = milestone.seconds;
  json::object use;
  for (const auto& [name, used] : result.use) {
    use[name] = {{"processor_seconds", used.processor_seconds}, {"peak_memory_mb", used.peak_memory_mb}};
  }
  constexpr double kTarget = 60;
  return json::serialize(json::object{{"bench", "real"},
                                      {"case", case_of(options)},
                                      {"metric", "desired to RUNNING"},
                                      {"value", result.total_seconds},
                                      {"unit", "s"},
                                      {"target", kTarget},
                                      {"ok", result.running >= options.instances && result.total_seconds <= kTarget},
                                      {"running", result.running},
                                      {"rejected", result.rejected},
                                      {"given_up", result.given_up},
                                      {"milestones_seconds", std::move(milestones)},
                                      {"claims", call_json(result.claims)},
                                      {"starts", call_json(result.starts)},
                                      {"auctions", result.auctions.batches},
                                      {"state_fetch_seconds", result.auctions.state_seconds},
                                      {"state_requests", result.state_requests},
                                      {"use", std::move(use)}});
}

std::string call_line(const char* name, const CallTimes& times) {
  return fmt::format("  {:<8} {:>9} calls, mean {:.1f} ms, half under {:.1f} ms, 99 % under {:.1f} ms\n", name,
                     times.calls, times.mean_ms, times.p50_ms, times.p99_ms);
}

std::string text_of(const RealOptions& options, const RealResult& result) {
  std::string text = fmt::format("{}\n\n  before: components up in {:.1f} s, every cell present in {:.1f} s\n",
                                 case_of(options), result.components_seconds, result.presence_seconds);
  for (const auto& milestone : result.milestones) {
    text += fmt::format("  {:>7.1f} s  {}\n", milestone.seconds, milestone.what);
  }
  text += fmt::format("\n  {} of {} RUNNING; cells rejected {}, gave up {}{}\n", result.running, options.instances,
                      result.rejected, result.given_up,
                      result.last_failure.empty() ? "" : " (last: " + result.last_failure + ")");
  text += call_line("claims", result.claims) + call_line("starts", result.starts);
  text += fmt::format("  auctions {:>9} batches; cells asked for their states during {:.1f} s, {:.1f} s at most\n",
                      result.auctions.batches, result.auctions.state_seconds, result.auctions.longest_state_seconds);
  for (const auto& [name, used] : result.use) {
    text += fmt::format("  {:<12} {:>6.1f} s of processor time, {} MB at its peak\n", name, used.processor_seconds,
                        used.peak_memory_mb);
  }
  return text;
}

}  // namespace

void add_real_options(CLI::App& app, RealOptions& options) {
  app.add_option("--processes", options.processes, "--real: that have the instances")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  const std::map<std::string, sql::Engine> engines = {
      {"sqlite", sql::Engine::kSqlite}, {"postgres", sql::Engine::kPostgres}, {"mysql", sql::Engine::kMysql}};
  app.add_option("--database", options.engine, "--real: of the BBS")->transform(CLI::CheckedTransformer(engines));
  app.add_option_function<std::string>(
      "--programs", [&options](const std::string& directory) { options.programs = directory; },
      "--real: where locket, bbs and auctioneer are (default: beside rivera-sim)");
  app.add_flag("--json", options.as_json, "--real: print one JSON line");
}

int run_real_command(const RealOptions& given) {
  RealOptions options = given;
  options.processes = std::min(options.processes, options.instances);
  const RealResult result = run_real(options, [](const std::string& line) { fmt::print(stderr, "{}\n", line); });
  fmt::print("{}\n", options.as_json ? json_of(options, result) : text_of(options, result));
  return result.running >= options.instances ? 0 : 1;
}

}  // namespace rivera::simulation
