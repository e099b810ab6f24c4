// ./run: from nothing, or from whatever there is, to a cluster whose sample application serves.
#include <algorithm>
#include <csignal>
#include <optional>
#include <set>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>

#include "base/work/wait.h"
#include "cluster/cleanup.h"
#include "cluster/commands.h"
#include "cluster/lost_cluster.h"
#include "cluster/prepare/certificates.h"
#include "cluster/prepare/component.h"
#include "cluster/prepare/component_configs.h"
#include "cluster/prepare/holdings.h"
#include "cluster/prepare/host_network.h"
#include "cluster/prepare/preflight.h"
#include "cluster/prepare/rootfs.h"
#include "cluster/prepare/sample.h"
#include "cluster/prepare/shell_environment.h"
#include "cluster/run_coroutine.h"
#include "cluster/sample_driver.h"
#include "cluster/settings/log_files.h"
#include "cluster/settings/terminal.h"
#include "cluster/status.h"
#include "cluster/supervision/process.h"
#include "cluster/supervision/supervisor_client.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr seconds kHealthyLimit{90};
constexpr int kRestartsThatMeanFailure = 8;

// The settings of the last ./run, changed by those of the command line. Throws base::ConfigError before anything else
// happens if one is bad.
Settings effective_settings(const fs::path& bin_dir, const fs::path& var_dir, const UpOptions& options) {
  Settings settings;
  settings.var_dir = var_dir;
  if (settings_exist(var_dir)) {
    settings = load_settings(var_dir);
  } else {
    settings.chosen = {"garden_tag", "network_pool", "port_pool"};
  }
  settings.bin_dir = bin_dir;
  settings.host_address = detect_host_address();
  for (const auto& [key, value] : options.overrides) apply_setting(settings, key, value);
  check_settings(settings);
  return settings;
}

// Components whose program was built after they were started.
std::set<std::string> outdated_components(const Settings& settings) {
  std::set<std::string> out;
  for (const Component& component : components(settings)) {
    const auto pid_file = settings.run_dir() / (component.name + ".pid");
    const fs::path program = component.argv.front();
    std::error_code ec;
    if (!program.is_absolute() || !fs::exists(pid_file)) continue;
    if (fs::last_write_time(program, ec) > fs::last_write_time(pid_file, ec)) out.insert(component.name);
  }
  return out;
}

// Directories, certificates, configuration, root filesystem. Returns the components to restart, because a file of
// theirs changed.
std::set<std::string> prepare(const Settings& settings, const UpOptions& options) {
  Progress progress;
  make_directories(settings);
  save_settings(settings);
  progress.begin("certificates");
  const bool new_certificates = make_certificates(settings);
  progress.done();
  progress.begin("root filesystem");
  make_rootfs(settings);
  if (options.sample) {
    pack_sample(settings, options.samples_dir);
    write_sample_files(settings);
  }
  progress.done(fmt::format("ready, {:.1f} MB", static_cast<double>(fs::file_size(settings.rootfs_tar())) / 1e6));
  place_healthcheck(settings);
  write_shell_environment(settings);
  std::set<std::string> affected = outdated_components(settings);
  for (const std::string& name : write_component_configs(settings)) affected.insert(name);
  if (new_certificates) {
    for (const Component& component : components(settings)) affected.insert(component.name);
  }
  return affected;
}

std::string own_program() { return fs::read_symlink("/proc/self/exe").string(); }

void check_for_failure(const Settings& settings, const ComponentStatus& c, int restarts_before) {
  if (c.restarts - restarts_before < kRestartsThatMeanFailure) return;
  throw Problem(fmt::format("{} keeps ending ({}): {}\nSee ./run logs {}", c.name, c.last_end,
                            last_error_in_log(settings, c.name), c.name));
}

asio::awaitable<std::vector<ComponentStatus>> first_answer(SupervisorClient& supervisor, const Settings& settings) {
  const auto deadline = std::chrono::steady_clock::now() + seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    try {
      auto statuses = co_await supervisor.components();
      co_return statuses;
    } catch (const std::exception&) {
      // Not yet listening.
    }
    co_await base::sleep_for(std::chrono::milliseconds(20));
  }
  throw Problem("the supervisor did not start: " + last_error_in_log(settings, "supervisor"));
}

// Prints each component as it becomes healthy, in the order of starting.
asio::awaitable<void> wait_for_components(Settings settings, std::set<std::string> to_restart) {
  const auto executor = co_await asio::this_coro::executor;
  SupervisorClient supervisor(executor, settings);
  auto statuses = co_await first_answer(supervisor, settings);
  for (const std::string& name : to_restart) co_await supervisor.restart(name);
  Progress progress;
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    const int restarts_before = statuses[i].restarts;
    const auto deadline = std::chrono::steady_clock::now() + kHealthyLimit;
    progress.begin(statuses[i].name);
    if (!to_restart.empty()) statuses = co_await supervisor.components();
    while (!statuses[i].healthy) {
      check_for_failure(settings, statuses[i], restarts_before);
      if (std::chrono::steady_clock::now() > deadline) {
        throw Problem(fmt::format("{} does not become healthy: {}\nSee ./run logs {}", statuses[i].name,
                                  last_error_in_log(settings, statuses[i].name), statuses[i].name));
      }
      co_await base::sleep_for(std::chrono::milliseconds(50));
      statuses = co_await supervisor.components();
    }
    progress.done(fmt::format("serves at {}, pid {}", statuses[i].address, statuses[i].pid));
  }
}

bool same_place(const Settings& a, const Settings& b) {
  return a.ports.base == b.ports.base && a.host_address == b.host_address && a.garden_tag == b.garden_tag &&
         a.network_pool == b.network_pool && a.port_pool_start == b.port_pool_start &&
         a.port_pool_size == b.port_pool_size && a.cell_id == b.cell_id;
}

// Stops a running cluster whose addresses are to change.
void stop_old_cluster(const Settings& old) {
  Progress progress;
  progress.begin("old cluster");
  end_processes(old);
  destroy_containers(old);  // their addresses and ports were those of the old settings
  progress.done("stopped, because its settings changed");
}

void stop_lost_cluster(const LostCluster& lost) {
  Progress progress;
  progress.begin("old cluster");
  end_lost_cluster(lost);
  progress.done("stopped, because its files were removed");
}

constexpr std::string_view kInterrupted =
    "\nInterrupted. What was started keeps running: ./run continues, ./run status shows it, ./run down stops it.\n";

extern "C" void say_interrupted(int /*signal*/) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kInterrupted.data(), kInterrupted.size());
  ::_exit(128 + SIGINT);
}

// Makes room for the cluster that is wanted. Everything that can be refused is refused before anything is stopped;
// `only_check` leaves it at that. Returns whether the cluster runs already where it is wanted.
bool make_room(Settings& wanted, bool only_check) {
  std::optional<Settings> old;
  if (settings_exist(wanted.var_dir)) old = load_settings(wanted.var_dir);
  if (const auto lost = old ? std::nullopt : find_lost_cluster(wanted.bin_dir, wanted.var_dir)) {
    if (only_check) return false;
    stop_lost_cluster(*lost);
  }
  const bool has_same_programs = old && old->bin_dir == wanted.bin_dir;
  if (old) old->bin_dir = wanted.bin_dir;  // the programs of an earlier build may not be there any more
  if (old && old->was_moved()) require_not_running_after_move(*old);
  const bool is_running = supervisor_pid(wanted).has_value();
  const bool can_be_asked = fs::exists(wanted.supervisor_socket());
  if (is_running && can_be_asked && old && has_same_programs && same_place(*old, wanted)) return true;
  const std::vector<Holding> held = holdings_of_others(wanted);
  if (!is_running) choose_holdings(wanted, held, !old);
  require_unheld(wanted, held);
  require_network_apart(wanted);
  require_own_address(wanted);
  require_free_ports(wanted, old ? old->ports.all() : std::vector<std::uint16_t>());
  if (only_check) return is_running;
  require_room(wanted);
  if (old && old->was_moved()) {
    forget_containers(wanted);
  } else if (is_running && old) {
    stop_old_cluster(*old);
  } else if (old) {
    end_processes(*old);  // what a killed supervisor left
    if (!same_place(*old, wanted) && has_containers(*old)) destroy_containers(*old);
  }
  require_free_ports(wanted, {});
  return false;
}

}  // namespace

int check_up(const fs::path& bin_dir, const fs::path& var_dir, const UpOptions& options) {
  Settings settings = effective_settings(bin_dir, var_dir, options);
  require_usable_directory(settings);
  make_room(settings, true);
  return 0;
}

int up(const fs::path& bin_dir, const fs::path& var_dir, const UpOptions& options) {
  require_root();
  Settings settings = effective_settings(bin_dir, var_dir, options);
  require_usable_directory(settings);
  require_programs(settings);
  fs::create_directories(var_dir);
  const ClusterTurn turn(settings);
  settings = effective_settings(bin_dir, var_dir, options);  // who was here before may have changed them
  std::signal(SIGINT, say_interrupted);
  print(fmt::format("Rivera: a cluster on this machine, state in {}\n", var_dir.string()));
  std::set<std::string> to_restart;
  {
    // Until the supervisor shows others what this cluster holds.
    const ChoosingTurn choosing;
    const bool running = make_room(settings, false);
    if (const std::string warning = running ? "" : warning_of_ports(settings); !warning.empty()) {
      print("Warning: " + warning + "\n");
    }
    to_restart = prepare(settings, options);
    if (!running) {
      to_restart.clear();
      start_daemon({own_program(), "supervise", "--var", var_dir.string()}, settings.log_dir() / "supervisor.log");
    }
  }
  run_coroutine(wait_for_components(settings, to_restart));
  if (options.sample) run_coroutine(bring_up_sample(settings));
  const ClusterStatus status = run_coroutine(fetch_status(settings));
  print("\n" + to_text(status, false));
  if (options.sample) print_what_next(settings);
  return 0;
}

}  // namespace rivera::cluster
