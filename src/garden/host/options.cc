#include "garden/host/options.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <CLI/CLI.hpp>

#include "base/config/command_line.h"
#include "base/duration.h"

namespace rivera::garden {

namespace {

// Distinguishes state directories in /run. Must stay the same across releases: containers are found by it.
std::string digest_of(const std::string& text) {
  std::uint64_t hash = 14695981039346656037ull;  // FNV-1a
  for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211ull;
  char hex[17];
  std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(hash));
  return std::string(hex, 8);
}

unsigned parse_mode(const std::string& text) {
  unsigned mode = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (text.empty() || failure != std::errc() || end != text.data() + text.size() || mode > 0777)
    throw CLI::ValidationError("--bind-socket-mode", "expected octal permission bits like 0600, got " + text);
  return mode;
}

class Parser {
 public:
  Parser() : app_("Runs containers behind Garden's API.", "garden") {
    app_.set_version_flag("-v,--version", "dev");
    app_.set_config("--config", "", "INI file with the long flags as keys, under [server]");
    app_.require_subcommand(0, 1);
    auto* server = app_.add_subcommand("server", "Serve (the default)");
    auto* cleanup = app_.add_subcommand("cleanup", "Destroy every container and remove everything made for them");
    cleanup->final_callback([this] { options_.command = Options::Command::kCleanup; });
    for (CLI::App* app : {&app_, server, cleanup}) add_flags(*app);
    app_.allow_config_extras(CLI::config_extras_mode::error);
  }

  CLI::App& app() { return app_; }

  Options parse(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());
    app_.parse(std::move(arguments));
    finish();
    return std::move(options_);
  }

 private:
  void add_flags(CLI::App& app) {
    Options& o = options_;
    app.add_option("--bind-ip", o.bind_ip, "Listen on TCP at this address");
    app.add_option("--bind-port", o.bind_port);
    app.add_option("--bind-socket", o.bind_socket, "Listen on this Unix socket")->capture_default_str();
    app.add_option_function<std::string>(
        "--bind-socket-mode", [&o](const std::string& text) { o.bind_socket_mode = parse_mode(text); },
        "Permission bits of the socket, octal [0777]");
    add_duration(app, "--read-header-timeout", o.read_header_timeout);
    app.add_option("--debug-bind-ip", o.debug_bind_ip);
    app.add_option("--debug-bind-port", o.debug_bind_port)->capture_default_str();
    app.add_option("--depot", o.depot, "Directory of the containers")->capture_default_str();
    app.add_option("--state-dir", o.state_dir, "Directory of layers and file systems [<depot>-state]");
    app.add_option("--run-dir", o.run_dir, "Directory of mounts [below /run]");
    app.add_option("--tag", o.tag, "Up to 2 characters that keep several servers' names apart");
    app.add_option("--runtime-plugin", o.runtime, "OCI runtime: runc or crun")->capture_default_str();
    app.add_option("--runtime-plugin-extra-arg", o.runtime_extra_args);
    app.add_option("--init-bin", o.init_bin);
    app.add_option("--shim-bin", o.shim_bin);
    app.add_option("--default-rootfs", o.default_rootfs, "Directory or tar file");
    add_duration(app, "--default-grace-time", o.default_grace_time);
    app.add_flag("--destroy-containers-on-startup", o.destroy_containers_on_startup);
    app.add_flag("--disable-privileged-containers", o.disable_privileged_containers);
    app.add_flag("--cleanup-process-dirs-on-wait", o.cleanup_process_dirs_on_wait);
    app.add_option("--max-containers", o.max_containers);
    app.add_option("--uid-map-start", o.uid_map_start)->capture_default_str();
    app.add_option("--uid-map-length", o.uid_map_length);
    app.add_option("--gid-map-start", o.gid_map_start)->capture_default_str();
    app.add_option("--gid-map-length", o.gid_map_length);
    app.add_option("--apparmor", o.apparmor);
    app.add_flag("--no-new-privileges", o.no_new_privileges);
    app.add_option("--device-cgroup-rule", o.device_cgroup_rules);
    add_network_flags(app);
    app.add_option("--cpu-quota-per-share", o.cpu_quota_per_share);
    app.add_option("--default-container-blockio-weight", o.blockio_weight);
    app.add_flag("--disable-swap-limit", o.disable_swap_limit);
    app.add_option("--cpu-entitlement-per-share", o.cpu_entitlement_per_share);
    app.add_option("--tcp-keepalive-time", o.tcp_keepalive_time);
    app.add_option("--tcp-keepalive-interval", o.tcp_keepalive_interval);
    app.add_option("--tcp-keepalive-probes", o.tcp_keepalive_probes);
    app.add_option("--tcp-retries1", o.tcp_retries1);
    app.add_option("--tcp-retries2", o.tcp_retries2);
    app.add_option("--log-level", o.log_level)->check(CLI::IsMember({"debug", "info", "error", "fatal"}));
    app.add_option_function<std::string>("--time-format",
                                         [&o](const std::string& text) { o.rfc3339_time = text == "rfc3339"; });
    add_ignored_flags(app);
  }

  void add_network_flags(CLI::App& app) {
    Options& o = options_;
    app.add_option("--network-pool", o.network_pool, "Addresses of containers; each takes a /30")
        ->capture_default_str();
    app.add_flag("--allow-host-access", o.allow_host_access);
    app.add_option("--deny-network", o.deny_networks);
    app.add_option("--dns-server", o.dns_servers);
    app.add_option("--additional-dns-server", o.additional_dns_servers);
    app.add_option("--additional-host-entry", o.additional_host_entries);
    app.add_option("--external-ip", o.external_ip);
    app.add_option("--port-pool-start", o.port_pool_start)->capture_default_str();
    app.add_option("--port-pool-size", o.port_pool_size)->capture_default_str();
    app.add_option("--port-pool-properties-path", o.port_pool_properties_path);
    app.add_option("--mtu", o.mtu);
    app.add_flag("--enable-container-network-metrics", o.enable_container_network_metrics);
  }

  // Known upstream and without effect here.
  void add_ignored_flags(CLI::App& app) {
    for (const char* name : {"--properties-path",
                             "--console-sockets-path",
                             "--assets-dir",
                             "--dadoo-bin",
                             "--nstar-bin",
                             "--tar-bin",
                             "--iptables-bin",
                             "--iptables-restore-bin",
                             "--image-plugin",
                             "--image-plugin-extra-arg",
                             "--privileged-image-plugin",
                             "--privileged-image-plugin-extra-arg",
                             "--docker-registry",
                             "--insecure-docker-registry",
                             "--network-plugin",
                             "--network-plugin-extra-arg",
                             "--container-io-max-read-bps",
                             "--container-io-max-write-bps",
                             "--container-io-max-read-iops",
                             "--container-io-max-write-iops",
                             "--metrics-emission-interval",
                             "--dropsonde-origin",
                             "--dropsonde-destination",
                             "--containerd-socket",
                             "--cpu-throttling-check-interval"}) {
      app.add_option_function<std::vector<std::string>>(
             name, [this, name](const std::vector<std::string>&) { options_.ignored.emplace_back(name); })
          ->group("");
    }
    for (const char* name :
         {"--skip-setup", "--no-image-plugin", "--use-containerd-for-processes", "--enable-cpu-throttling"}) {
      app.add_flag_callback(name, [this, name] { options_.ignored.emplace_back(name); })->group("");
    }
  }

  static void add_duration(CLI::App& app, const char* name, std::chrono::nanoseconds& into) {
    app.add_option_function<std::string>(name, [&into, name](const std::string& text) {
      try {
        into = base::parse_go_duration(text);
      } catch (const std::invalid_argument&) {
        throw CLI::ValidationError(name, "expected a duration like 5m, got " + text);
      }
    });
  }

  void finish() {
    Options& o = options_;
    if (o.tag.size() > 2) throw CLI::ValidationError("--tag", "at most 2 characters");
    if (o.port_pool_start + o.port_pool_size > 65535) {
      throw CLI::ValidationError("--port-pool-start", "invalid pool range: start " + std::to_string(o.port_pool_start) +
                                                          ", size: " + std::to_string(o.port_pool_size));
    }
    o.depot = std::filesystem::absolute(o.depot).lexically_normal();
    while (o.depot.size() > 1 && o.depot.back() == '/') o.depot.pop_back();
    if (o.state_dir.empty()) o.state_dir = o.depot + "-state";
    o.state_dir = std::filesystem::absolute(o.state_dir).lexically_normal();
    if (o.run_dir.empty()) o.run_dir = "/run/garden-" + (o.tag.empty() ? "" : o.tag + "-") + digest_of(o.state_dir);
    if (!o.default_rootfs.empty() && o.default_rootfs.find(':') == std::string::npos) {
      o.default_rootfs = std::filesystem::absolute(o.default_rootfs).lexically_normal();
    }
    const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    if (o.init_bin.empty()) o.init_bin = here / "garden-init";
    if (o.shim_bin.empty()) o.shim_bin = here / "garden-shim";
  }

  CLI::App app_;
  Options options_;
};

}  // namespace

std::string Options::listen_address() const {
  return bind_ip.empty() ? "unix:" + bind_socket : bind_ip + ":" + std::to_string(bind_port);
}

Options parse_options(int argc, const char* const* argv) {
  Parser parser;
  try {
    return parser.parse(base::go_style_arguments(argc, argv));
  } catch (const CLI::ParseError& e) {
    std::exit(parser.app().exit(e) == 0 ? 0 : 1);
  }
}

Options parse_option_list(std::vector<std::string> arguments) {
  Parser parser;
  try {
    return parser.parse(std::move(arguments));
  } catch (const CLI::ParseError& e) {
    throw std::invalid_argument(e.what());
  }
}

}  // namespace rivera::garden
