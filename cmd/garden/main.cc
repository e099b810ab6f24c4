// Garden: runs containers behind Garden's API. `garden server FLAGS` serves, `garden cleanup FLAGS` removes
// everything, `garden setup` mounts control groups that are missing, for a server with --skip-setup.
#include "base/log/config_notices.h"
#include "base/process/program.h"
#include "garden/host/options.h"
#include "garden/server.h"

namespace base = rivera::base;
namespace garden = rivera::garden;

int main(int argc, char** argv) {
  const garden::Options options = garden::parse_options(argc, argv);
  base::ProgramOptions program_options;
  program_options.name = "guardian";  // upstream's log source
  program_options.worker_threads = 8;
  program_options.log_level = base::parse_log_level(options.log_level);
  program_options.log_time_format =
      options.rfc3339_time ? base::LogTimeFormat::kRfc3339 : base::LogTimeFormat::kUnixEpoch;
  base::Program program(program_options);
  base::log_notices(program.logger(), options.notices);
  return program.run([&options](base::Program& p) {
    switch (options.command) {
      case garden::Options::Command::kCleanup:
        return garden::clean_up(p, options);
      case garden::Options::Command::kSetup:
        return garden::set_up(p);
      case garden::Options::Command::kServer:
        break;
    }
    return garden::serve(p, options);
  });
}
