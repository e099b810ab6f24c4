// route-emitter: tells routers which instances serve which routes (docs/spec/routing.md §2).
#include <cstdio>
#include <exception>

#include "base/config/command_line.h"
#include "base/config/config.h"
#include "base/log/config_notices.h"
#include "base/process/program.h"
#include "net/grpc/grpc_log.h"
#include "route_emitter/config.h"
#include "route_emitter/route_emitter.h"

namespace {

namespace asio = rivera::asio;
using rivera::base::Program;

asio::awaitable<void> serve(Program& program, rivera::route_emitter::Config config) {
  rivera::route_emitter::RouteEmitter emitter(program.executor(), std::move(config), program.logger(),
                                              [&program](int status) { program.request_stop(status); });
  emitter.start();
  co_await program.stop_requested();
  co_await emitter.stop();
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments =
      rivera::base::parse_server_arguments("route-emitter", "Tells routers where instances run.", argc, argv);
  rivera::route_emitter::Config config;
  try {
    config = rivera::route_emitter::load_config(arguments.config_path);
  } catch (const rivera::base::ConfigError& e) {
    std::fprintf(stderr, "route-emitter: %s\n", e.what());
    return 2;
  }
  if (arguments.check_config) return rivera::base::report_checked(config.notices);

  Program program({.name = config.name,
                   .io_threads = 1,
                   .worker_threads = 1,
                   .log_level = config.log.level,
                   .log_time_format = config.log.time_format,
                   .log_scrubbing = config.log.scrubbing});
  rivera::net::log_grpc(program.logger());
  rivera::base::log_notices(program.logger(), config.notices);
  return program.run([&config](Program& p) { return serve(p, config); });
}
