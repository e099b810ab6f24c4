// A cluster that runs though its files are gone: its directory was removed, or cluster.json damaged.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cluster/settings/settings.h"

namespace rivera::cluster {

struct LostCluster {
  Settings settings;                      // what the flags of its processes tell
  std::vector<std::string> cleanup = {};  // the command that removes its containers; empty if no garden runs
};

// The processes of the cluster that was started in this directory; nullopt if there are none.
std::optional<LostCluster> find_lost_cluster(const std::filesystem::path& bin_dir,
                                             const std::filesystem::path& var_dir);

// Ends its processes and removes its containers. Throws Problem naming what is left.
void end_lost_cluster(const LostCluster& lost);

// "supervisor (pid 12), bbs (pid 13)".
std::string processes_text(const LostCluster& lost);

}  // namespace rivera::cluster
