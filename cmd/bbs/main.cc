// The BBS: the API and the store of the cluster's Tasks and Long-Running Processes.
#include <iostream>

#include "base/command_line.h"
#include "base/config.h"
#include "base/program.h"
#include "bbs/bbs_program.h"

using namespace rivera;

namespace {

bbs::Config load_or_exit(const base::ServerArguments& arguments) {
  try {
    bbs::Config config = bbs::load_config(arguments.config_path);
    bbs::check_config(config);
    return config;
  } catch (const std::exception& e) {
    std::cerr << "bbs: " << e.what() << "\n";
    std::exit(2);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = base::parse_server_arguments("bbs", "The API and store of Tasks and LRPs", argc, argv);
  const bbs::Config config = load_or_exit(arguments);
  if (arguments.check_config) return 0;

  base::ProgramOptions options;
  options.name = config.session_name;
  options.log_level = config.log.level;
  options.log_time_format = config.log.time_format;
  options.log_scrubbing = config.log.scrubbing;
  base::Program program(options);
  return program.run([&config](base::Program& p) { return bbs::run_bbs(p, config); });
}
