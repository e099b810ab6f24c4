// auctioneer: decides which cell runs what (docs/spec/locket-and-auction.md §2).
#include <cstdio>

#include "auctioneer/auctioneer.h"
#include "auctioneer/config.h"
#include "base/config/command_line.h"
#include "base/config/config.h"
#include "base/log/config_notices.h"
#include "base/process/program.h"
#include "net/grpc/grpc_log.h"

namespace {

namespace asio = rivera::asio;
using rivera::base::Program;

asio::awaitable<void> serve(Program& program, rivera::auctioneer::Config config) {
  std::string failure;
  auto on_failure = [&program, &failure](std::string why) {
    failure = std::move(why);
    program.request_stop(1);
  };
  rivera::auctioneer::Auctioneer auctioneer(program.executor(), program.workers(), std::move(config), program.logger(),
                                            on_failure);
  co_await auctioneer.start();
  co_await program.stop_requested();
  co_await auctioneer.stop();
  if (!failure.empty()) throw std::runtime_error(failure);
  program.logger().info("exited");
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments =
      rivera::base::parse_server_arguments("auctioneer", "Decides which cell runs what.", argc, argv);
  rivera::auctioneer::Config config;
  try {
    config = rivera::auctioneer::load_config(arguments.config_path);
  } catch (const rivera::base::ConfigError& e) {
    std::fprintf(stderr, "auctioneer: invalid-config-file: %s\n", e.what());
    return 2;
  }
  if (arguments.check_config) return rivera::base::report_checked(config.notices);

  Program program({.name = "auctioneer",
                   .io_threads = 1,
                   .worker_threads = 2,
                   .log_level = config.log.level,
                   .log_time_format = config.log.time_format,
                   .log_scrubbing = config.log.scrubbing});
  rivera::net::log_grpc(program.logger());
  rivera::base::log_notices(program.logger(), config.notices);
  return program.run([&config](Program& p) { return serve(p, config); });
}
