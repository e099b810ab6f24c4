// file-server: hands out the lifecycle bundles over HTTP (docs/spec/access-and-tools.md §3).
#include <cstdio>
#include <filesystem>

#include "base/config/command_line.h"
#include "base/config/config.h"
#include "base/log/config_notices.h"
#include "base/process/program.h"
#include "file_server/config.h"
#include "file_server/file_server.h"

namespace {

namespace asio = rivera::asio;
using rivera::base::Program;

asio::awaitable<void> serve(Program& program, rivera::file_server::Config config) {
  rivera::file_server::FileServer server(program.executor(), program.workers(), config, program.logger());
  server.start();
  program.logger().info("ready", {{"address", server.address()}});
  co_await program.stop_requested();
  co_await server.stop();
  program.logger().info("exited");
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = rivera::base::parse_server_arguments("file-server", "Serves static files.", argc, argv);
  rivera::file_server::Config config;
  try {
    config = rivera::file_server::load_config(arguments.config_path);
  } catch (const rivera::base::ConfigError& e) {
    // Upstream writes this to its log; ours goes to the log and to standard error.
    rivera::base::Logger("file-server").fatal("invalid-configuration", {{"error", e.what()}});
    std::fprintf(stderr, "file-server: %s\n", e.what());
    return 2;
  }
  if (arguments.check_config) return rivera::base::report_checked(config.notices);

  Program program({.name = "file-server",
                   .io_threads = 1,
                   .worker_threads = 4,
                   .log_level = config.log.level,
                   .log_time_format = config.log.time_format,
                   .log_scrubbing = config.log.scrubbing});
  rivera::base::log_notices(program.logger(), config.notices);
  return program.run([&config](Program& p) { return serve(p, config); });
}
