// A cell's agent: runs containers for the BBS.
#include <cstdio>
#include <string>

#include "base/config/command_line.h"
#include "base/config/config.h"
#include "base/log/config_notices.h"
#include "base/process/program.h"
#include "net/grpc/grpc_log.h"
#include "rep/rep.h"
#include "rep/settings/config.h"

int main(int argc, char** argv) {
  using namespace rivera;
  std::string zone;
  const auto arguments =
      base::parse_server_arguments("rep", "Runs the containers of a cell.", argc, argv, "config",
                                   {{"zone", "the cell's zone, instead of the configuration's", &zone}});
  rep::Config config;
  try {
    config = rep::load_config(arguments.config_path, zone);
  } catch (const base::ConfigError& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
  if (arguments.check_config) return base::report_checked(config.notices);

  base::Program program({.name = config.session_name,
                         .io_threads = 1,
                         .worker_threads = 8,
                         .log_level = config.log.level,
                         .log_time_format = config.log.time_format,
                         .log_scrubbing = config.log.scrubbing});
  rivera::net::log_grpc(program.logger());
  base::log_notices(program.logger(), config.notices);
  return program.run([&config](base::Program& running) -> asio::awaitable<void> {
    rep::Rep rep(running, config);
    co_await rep.run();
  });
}
