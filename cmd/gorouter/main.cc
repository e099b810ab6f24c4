// gorouter: the HTTP router (docs/spec/routing.md §3).
#include <csignal>
#include <cstdio>

#include <boost/asio/signal_set.hpp>

#include "base/config/command_line.h"
#include "base/config/config.h"
#include "base/log/config_notices.h"
#include "base/process/program.h"
#include "gorouter/gorouter.h"
#include "gorouter/settings/config.h"

namespace {

namespace asio = rivera::asio;
using rivera::base::Program;
using rivera::gorouter::Gorouter;

void drain_at_signal(asio::signal_set& signals, Gorouter& router) {
  signals.async_wait([&](rivera::error_code ec, int) {
    if (ec) return;
    router.begin_drain();
    drain_at_signal(signals, router);
  });
}

asio::awaitable<void> serve(Program& program, rivera::gorouter::Config config) {
  asio::signal_set drain_signal(program.executor(), SIGUSR1);
  Gorouter router(program.executor(), program.workers(), std::move(config), program.logger(),
                  [&program](int status) { program.request_stop(status); });
  drain_at_signal(drain_signal, router);
  router.start();
  co_await program.stop_requested();
  co_await router.stop();
  drain_signal.cancel();
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments =
      rivera::base::parse_server_arguments("gorouter", "Routes HTTP requests to instances.", argc, argv, "c");
  rivera::gorouter::Config config;
  try {
    config = rivera::gorouter::load_config(arguments.config_path);
  } catch (const rivera::base::ConfigError& e) {
    std::fprintf(stderr, "gorouter: %s\n", e.what());
    return 1;  // every fatal error of this component (docs/spec/routing.md §3.1)
  }
  if (arguments.check_config) return rivera::base::report_checked(config.notices);

  Program program({.name = "gorouter",
                   .io_threads = 1,
                   .worker_threads = 2,
                   .log_level = config.log_level,
                   .log_time_format = config.log_time_format});
  rivera::base::log_notices(program.logger(), config.notices);
  return program.run([&config](Program& p) { return serve(p, config); });
}
