// ./run down
#include <fmt/format.h>

#include "cluster/cleanup.h"
#include "cluster/commands.h"
#include "cluster/lost_cluster.h"
#include "cluster/prepare/preflight.h"
#include "cluster/settings/terminal.h"
#include "cluster/supervision/supervisor_client.h"

namespace rivera::cluster {

namespace {

// What there is to stop where no settings can be read. `why`: what is wrong with them; "": there are none.
int down_without_settings(const std::filesystem::path& bin_dir, const std::filesystem::path& var_dir,
                          const std::string& why) {
  const auto lost = find_lost_cluster(bin_dir, var_dir);
  if (!lost) {
    if (!why.empty()) throw Problem(why);
    print("No cluster has been started here.\n");
    return 0;
  }
  require_root();
  print(fmt::format("The cluster that was started in {} runs, but {}.\n", var_dir.string(),
                    why.empty() ? "its files were removed" : why));
  Progress progress;
  progress.begin("what is left of it");
  end_lost_cluster(*lost);
  progress.done("stopped");
  return 0;
}

}  // namespace

int down(const std::filesystem::path& bin_dir, const std::filesystem::path& var_dir) {
  if (!settings_exist(var_dir)) return down_without_settings(bin_dir, var_dir, "");
  Settings settings;
  try {
    settings = load_settings(var_dir);
  } catch (const base::ConfigError& e) {
    return down_without_settings(bin_dir, var_dir, e.what());
  }
  require_root();
  settings.bin_dir = bin_dir;
  const ClusterTurn turn(settings);
  if (settings.was_moved()) {
    // What the records of containers name belongs to the other directory.
    require_not_running_after_move(settings);
    print("No cluster has been started here since the directory was moved or copied.\n");
    return 0;
  }
  Progress progress;
  progress.begin("processes");
  end_processes(settings);
  progress.done("stopped");
  progress.begin("containers");
  destroy_containers(settings);
  progress.done("removed");
  const auto left = leftovers(settings);
  if (!left.empty()) throw Problem(fmt::format("left behind: {}", fmt::join(left, ", ")));
  print(
      fmt::format("Rivera is down. Its state is kept in {}; ./run brings the applications back.\n", var_dir.string()));
  return 0;
}

}  // namespace rivera::cluster
