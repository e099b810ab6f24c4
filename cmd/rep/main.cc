// A cell's agent: runs containers for the BBS.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "base/config/command_line.h"
#include "base/config/config.h"
#include "base/process/program.h"
#include "rep/rep.h"
#include "rep/settings/config.h"

namespace {

// "-zone" is the rep's alone: takes it and its value out of the arguments.
std::string take_zone(std::vector<const char*>& arguments) {
  std::string zone;
  for (std::size_t i = 1; i < arguments.size();) {
    const std::string argument = arguments[i];
    const auto name_end = argument.find('=');
    const auto name = argument.substr(0, name_end);
    if (name != "-zone" && name != "--zone") {
      ++i;
      continue;
    }
    const bool separate = name_end == std::string::npos && i + 1 < arguments.size();
    zone =
        separate ? arguments[i + 1] : argument.substr(name_end == std::string::npos ? argument.size() : name_end + 1);
    const auto at = arguments.begin() + static_cast<std::ptrdiff_t>(i);
    arguments.erase(at, at + (separate ? 2 : 1));
  }
  return zone;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace rivera;
  std::vector<const char*> given(argv, argv + argc);
  const auto zone = take_zone(given);
  const auto arguments = base::parse_server_arguments("rep", "Runs the containers of a cell.",
                                                      static_cast<int>(given.size()), given.data());
  rep::Config config;
  try {
    config = rep::load_config(arguments.config_path, zone);
  } catch (const base::ConfigError& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
  if (arguments.check_config) return 0;

  base::Program program({.name = config.session_name,
                         .io_threads = 1,
                         .worker_threads = 8,
                         .log_level = config.log_level,
                         .log_time_format = config.log_time_format});
  return program.run([&config](base::Program& running) -> asio::awaitable<void> {
    rep::Rep rep(running, config);
    co_await rep.run();
  });
}
