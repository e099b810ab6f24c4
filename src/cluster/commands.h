// The sub-commands of the tool behind ./run. Each returns the exit status of the process; a problem the user has to
// solve is thrown as Problem and printed by main().
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cluster/settings/settings.h"

namespace rivera::cluster {

struct UpOptions {
  std::filesystem::path samples_dir;  // with hello/
  bool sample = true;                 // bring up the sample application and task
  // Settings that were given on the command line as KEY=VALUE of cluster.json.
  std::vector<std::pair<std::string, std::string>> overrides;
};

// What up() would refuse before it stops or starts anything, without doing either.
int check_up(const std::filesystem::path& bin_dir, const std::filesystem::path& var_dir, const UpOptions& options);
int up(const std::filesystem::path& bin_dir, const std::filesystem::path& var_dir, const UpOptions& options);
int down(const std::filesystem::path& bin_dir, const std::filesystem::path& var_dir);
int show_status(const std::filesystem::path& var_dir, bool as_json);
int show_logs(const std::filesystem::path& var_dir, const std::string& name, bool follow, int lines);
// Runs the supervisor until a signal stops it.
int supervise(const std::filesystem::path& var_dir);

}  // namespace rivera::cluster
