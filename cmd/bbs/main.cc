// The BBS: the API and the store of the cluster's Tasks and Long-Running Processes.
#include <iostream>

#include "base/config/command_line.h"
#include "base/config/config.h"
#include "base/log/config_notices.h"
#include "base/process/program.h"
#include "bbs/program/bbs_program.h"
#include "bbs/program/store_commands.h"
#include "net/grpc/grpc_log.h"

namespace base = rivera::base;
namespace bbs = rivera::bbs;

// What jemalloc reads at start; the environment's MALLOC_CONF overrides it. The records are millions of small objects
// all over the heap: with pages of 2 MiB, where the kernel grants them, reading them misses the TLB far less often.
extern "C" __attribute__((visibility("default"))) const char* malloc_conf;
const char* malloc_conf = "thp:always";

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

int export_to(const std::string& path, const bbs::Config& config) {
  try {
    bbs::run_export(config, path);
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "bbs: exporting: " << e.what() << "\n";
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string export_path, import_path;
  bool replace = false;
  const auto arguments = base::parse_server_arguments(
      "bbs", "The API and store of Tasks and LRPs", argc, argv, "config",
      {{"export", "write all records to this file (- = standard output) and exit", &export_path},
       {"import", "read them from such a file (- = standard input) into an empty store and exit", &import_path},
       {"replace", "with -import: delete the records that the store has", &replace}});
  if (replace && import_path.empty()) {
    std::cerr << "bbs: -replace is for -import only\n";
    return 2;
  }
  if (!export_path.empty() && !import_path.empty()) {
    std::cerr << "bbs: -export and -import exclude each other\n";
    return 2;
  }
  const bbs::Config config = load_or_exit(arguments);
  if (arguments.check_config) return base::report_checked(config.notices);
  if (!export_path.empty()) return export_to(export_path, config);

  base::ProgramOptions options;
  options.name = config.session_name;
  options.log_level = config.log.level;
  options.log_time_format = config.log.time_format;
  options.log_scrubbing = config.log.scrubbing;
  base::Program program(options);
  rivera::net::log_grpc(program.logger());
  base::log_notices(program.logger(), config.notices);
  return program.run([&](base::Program& p) {
    return import_path.empty() ? bbs::run_bbs(p, config) : bbs::run_import(p, config, import_path, replace);
  });
}
