// locket: distributed locks and cell presence (docs/spec/locket-and-auction.md §1).
#include <cstdio>

#include "base/config/command_line.h"
#include "base/config/config.h"
#include "base/log/config_notices.h"
#include "base/process/program.h"
#include "locket/config.h"
#include "locket/locket.h"
#include "net/grpc/grpc_log.h"

namespace {

namespace asio = rivera::asio;
using rivera::base::Program;

asio::awaitable<void> serve(Program& program, rivera::locket::Config config) {
  rivera::locket::Locket locket(program.executor(), program.workers(), std::move(config), program.logger(),
                                [&program](int status) { program.request_stop(status); });
  co_await locket.start();
  co_await program.stop_requested();
  co_await locket.stop();
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments =
      rivera::base::parse_server_arguments("locket", "Distributed locks and cell presence.", argc, argv);
  rivera::locket::Config config;
  try {
    config = rivera::locket::load_config(arguments.config_path);
  } catch (const rivera::base::ConfigError& e) {
    std::fprintf(stderr, "locket: invalid-config-file: %s\n", e.what());
    return 2;
  }
  if (arguments.check_config) return rivera::base::report_checked(config.notices);

  Program program({.name = "locket",
                   .io_threads = 1,
                   .worker_threads = 4,
                   .log_level = config.log.level,
                   .log_time_format = config.log.time_format,
                   .log_scrubbing = config.log.scrubbing});
  rivera::net::log_grpc(program.logger());
  rivera::base::log_notices(program.logger(), config.notices);
  return program.run([&config](Program& p) { return serve(p, config); });
}
