#include "cluster/lost_cluster.h"

#include <fmt/format.h>

#include "base/process/subprocess.h"
#include "cluster/cleanup.h"
#include "cluster/prepare/preflight.h"
#include "cluster/settings/process_table.h"
#include "cluster/supervision/process.h"

namespace rivera::cluster {
namespace {

constexpr int kShimGrace = 5;  // seconds

bool is_garden(const RunningProcess& process) {
  return process.program() == "garden" && process.arguments.size() > 1 && process.arguments[1] == "server";
}

void take_flags(LostCluster& lost, const RunningProcess& garden) {
  lost.settings.garden_tag = garden.flag("tag");
  lost.settings.network_pool = garden.flag("network-pool");
  lost.cleanup = garden.arguments;
  // Never the program that the process names: this runs as root.
  lost.cleanup[0] = (lost.settings.bin_dir / "garden").string();
  lost.cleanup[1] = "cleanup";
}

}  // namespace

std::optional<LostCluster> find_lost_cluster(const std::filesystem::path& bin_dir,
                                             const std::filesystem::path& var_dir) {
  LostCluster lost;
  lost.settings.bin_dir = bin_dir;
  lost.settings.var_dir = var_dir;
  lost.settings.garden_tag.clear();
  const auto processes = processes_of(lost.settings);
  if (processes.empty()) return std::nullopt;
  for (const RunningProcess& process : processes) {
    if (is_garden(process)) take_flags(lost, process);
  }
  return lost;
}

void end_lost_cluster(const LostCluster& lost) {
  end_processes(lost.settings);
  std::string said;
  if (!lost.cleanup.empty()) {
    base::CommandOptions options;
    options.timeout = std::chrono::minutes(3);
    const auto result = base::run_command(lost.cleanup, options);
    if (!result.ok())
      said = "; garden cleanup: " + (result.error.empty() ? result.output : result.error).substr(0, 500);
  }
  // Of containers whose records are gone.
  const auto shims = processes_of(lost.settings);
  if (!shims.empty()) terminate_processes(shims, kShimGrace);
  if (lost.settings.garden_tag.empty()) return;  // no name by which to find more
  const auto left = leftovers(lost.settings);
  if (!left.empty()) throw Problem(fmt::format("left behind: {}{}", fmt::join(left, ", "), said));
}

std::string processes_text(const LostCluster& lost) {
  std::vector<std::string> out;
  for (const RunningProcess& process : processes_of(lost.settings)) {
    out.push_back(fmt::format("{} (pid {})", is_supervisor(process) ? "supervisor" : process.program(), process.pid));
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

}  // namespace rivera::cluster
