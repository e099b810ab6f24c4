// The settings of one cluster on one machine: its directories, its ports and its names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/config/config.h"

namespace rivera::cluster {

// Every TCP port the cluster listens on; `base` is the first of a block of 100.
struct Ports {
  static constexpr std::uint16_t kDefaultBase = 28000;
  static constexpr std::uint16_t kBlock = 100;

  std::uint16_t base = kDefaultBase;

  std::uint16_t rep_admin() const { return at(0); }
  std::uint16_t rep() const { return at(1); }
  std::uint16_t route_emitter_health() const { return at(11); }
  std::uint16_t auctioneer() const { return at(16); }
  std::uint16_t nats() const { return at(22); }
  std::uint16_t nats_status() const { return at(23); }
  // The debug addresses: /metrics, /healthz.
  std::uint16_t locket_debug() const { return at(51); }
  std::uint16_t bbs_debug() const { return at(52); }
  std::uint16_t auctioneer_debug() const { return at(53); }
  std::uint16_t rep_debug() const { return at(54); }
  std::uint16_t route_emitter_debug() const { return at(55); }
  std::uint16_t gorouter_debug() const { return at(56); }
  std::uint16_t garden_debug() const { return at(57); }
  std::uint16_t router() const { return at(80); }
  std::uint16_t router_status() const { return at(81); }
  std::uint16_t router_routes() const { return at(82); }
  std::uint16_t file_server() const { return at(88); }
  std::uint16_t bbs() const { return at(89); }
  std::uint16_t bbs_health() const { return at(90); }
  std::uint16_t locket() const { return at(91); }

  std::vector<std::uint16_t> all() const;

 private:
  std::uint16_t at(std::uint16_t offset) const { return static_cast<std::uint16_t>(base + offset); }
};

// Kept in <var>/cluster.json, so that every command acts on the same cluster.
struct Settings {
  std::filesystem::path bin_dir;  // where locket, bbs, ... are
  std::filesystem::path var_dir;  // state, logs, certificates: everything the cluster writes
  // What `var_dir` was when the settings were saved; another one: the directory was moved or copied. Empty: unknown.
  std::filesystem::path saved_for;

  Ports ports;
  std::string host_address;  // where containers reach this machine and the router reaches their mapped ports
  std::string cell_id = "cell-1";
  std::string zone = "z1";
  std::string stack = "busybox";
  std::string domain_suffix =
      "localhost";  // of routes: "<app>.localhost", which curl and browsers resolve by themselves

  // Of Garden: what keeps two clusters on one machine apart. Those in `chosen` ("garden_tag", "network_pool",
  // "port_pool") are not the user's: ./run chooses what is free on this machine.
  std::set<std::string> chosen;
  std::string garden_tag = "rv";  // at most two characters; in the names of interfaces, chains and cgroups
  std::string network_pool = "10.254.0.0/22";
  std::uint16_t port_pool_start = 61001;
  std::uint16_t port_pool_size = 4000;
  std::string allow_privileged_containers = "false";  // "true": definitions may ask for root of the machine

  std::string authorization = "roles";  // or "any": every certificate may call everything, as upstream

  // Of the cell. Empty memory or disk: what the machine has.
  std::string cell_memory_mb;
  std::string cell_disk_mb;

  // Times that tests shorten (Go durations).
  std::string converge_interval = "10s";
  std::string rep_polling_interval = "10s";
  std::string route_sync_interval = "30s";

  std::filesystem::path certs_dir() const { return var_dir / "certs"; }
  std::filesystem::path config_dir() const { return var_dir / "config"; }
  std::filesystem::path run_dir() const { return var_dir / "run"; }
  std::filesystem::path log_dir() const { return var_dir / "log"; }
  std::filesystem::path app_log_dir() const { return var_dir / "log" / "apps"; }
  std::filesystem::path state_dir() const { return var_dir / "state"; }
  std::filesystem::path rootfs_dir() const { return var_dir / "rootfs"; }
  std::filesystem::path healthcheck_dir() const { return var_dir / "healthcheck"; }  // bind-mounted into containers
  std::filesystem::path static_dir() const { return var_dir / "static"; }            // what the file-server serves
  std::filesystem::path garden_socket() const { return run_dir() / "garden.sock"; }
  std::filesystem::path supervisor_socket() const { return run_dir() / "supervisor.sock"; }
  std::filesystem::path supervisor_pid_file() const { return run_dir() / "supervisor.pid"; }
  std::filesystem::path rootfs_tar() const { return rootfs_dir() / (stack + ".tar"); }

  bool was_moved() const { return !saved_for.empty() && saved_for != var_dir; }
  std::string bbs_url() const;
  std::string locket_address() const;
  std::string router_url() const;                           // "http://127.0.0.1:28080"
  std::string app_hostname(const std::string& name) const;  // "hello.localhost"
  std::string app_url(const std::string& hostname) const;   // "http://hello.localhost:28080"
  std::string file_server_url() const;
};

// The settings that cluster.json and --set know.
const base::ConfigKeys& setting_keys();

// One line for each setting that --set takes: its name, what is expected, its default.
std::string settings_help();

// Sets one by its name in cluster.json; it is then no longer among the chosen ones. Throws base::ConfigError if there
// is no such setting or the value is bad.
void apply_setting(Settings& settings, const std::string& key, const std::string& value);

// Checks what several settings say together. Throws base::ConfigError.
void check_settings(const Settings& settings);

std::filesystem::path settings_file(const std::filesystem::path& var_dir);
bool settings_exist(const std::filesystem::path& var_dir);
// Throw base::ConfigError, which says what to do, std::system_error. What is read is checked as by apply_setting() and
// check_settings().
Settings load_settings(const std::filesystem::path& var_dir);
void save_settings(const Settings& settings);
// Makes the directories. The ones with keys, databases and logs of applications are for root only.
void make_directories(const Settings& settings);

// The address of the interface that leads to other machines; 127.0.0.1 if there is none.
std::string detect_host_address();

}  // namespace rivera::cluster
