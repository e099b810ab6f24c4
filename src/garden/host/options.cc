#include "garden/host/options.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <regex>
#include <stdexcept>
#include <unistd.h>

#include "base/config/command_line.h"
#include "garden/host/ini_file.h"
#include "net/stream/destination_policy.h"

namespace rivera::garden {
namespace {

namespace fs = std::filesystem;

// A number that tells state directories apart in /run. Stable across releases: containers are found again by it.
std::string digest_of(const std::string& text) {
  std::uint64_t hash = 14695981039346656037ull;  // FNV-1a
  for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211ull;
  char hex[17];
  std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(hash));
  return std::string(hex, 8);
}

// What is known beside the flags of the server.
base::ConfigKeys all_flags() {
  using namespace base;
  return joined_keys({option_keys(),
                      {text_key("config").described("INI file with the flags' names as keys, below [server]"),
                       flag_key("version").described("print the version and exit"), flag_key("v"),
                       flag_key("help").described("print this text and exit"), flag_key("h")}});
}

base::CommandLine parse(const std::vector<std::string>& arguments) {
  return base::parse_command_line(arguments, all_flags(), base::FlagDialect::kGoFlags);
}

// The flags of the file of "--config" and of the command line, which counts where both name one.
base::CommandLine read_flags(const std::vector<std::string>& arguments) {
  base::CommandLine line = parse(arguments);
  if (!line.values.contains("config")) return line;
  const base::CommandLine file = parse(read_ini_arguments(std::string(line.values["config"].as_string())));
  for (const auto& member : file.values) line.values.emplace(member.key(), member.value());
  return line;
}

Options::Command command_of(const std::vector<std::string>& words) {
  if (words.size() > 1) throw base::CommandLineError("unexpected argument: " + words[1]);
  if (words.empty() || words[0] == "server") return Options::Command::kServer;
  if (words[0] == "cleanup") return Options::Command::kCleanup;
  if (words[0] == "setup") return Options::Command::kSetup;
  throw base::CommandLineError("unknown command: " + words[0] + " (server, cleanup or setup)");
}

unsigned parse_mode(const base::ConfigFile& given) {
  const std::string text = given.text("bind-socket-mode");
  unsigned mode = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (text.empty() || failure != std::errc() || end != text.data() + text.size() || mode > 0777) {
    given.fail("bind-socket-mode", "octal permission bits like 0600");
  }
  return mode;
}

// "c 1:3 rwm", "b *:* m".
DeviceRule parse_device_rule(const base::ConfigFile& given, const std::string& text) {
  static const std::regex kForm(R"(\s*([cb])\s+(\*|\d{1,9}):(\*|\d{1,9})\s+([rwm]{1,3})\s*)");
  std::smatch parts;
  if (!std::regex_match(text, parts, kForm)) {
    given.fail("device-cgroup-rule", "TYPE MAJOR:MINOR ACCESS like \"c 10:200 rwm\"");
  }
  const auto number = [](const std::string& digits) {
    return digits == "*" ? std::nullopt : std::optional<std::int64_t>(std::stoll(digits));
  };
  return {parts[1].str()[0], number(parts[2]), number(parts[3]), parts[4]};
}

void read_server(const base::ConfigFile& given, Options& o) {
  o.bind_ip = given.text("bind-ip");
  o.bind_port = given.count<std::uint16_t>("bind-port");
  o.bind_socket = given.text("bind-socket");
  o.bind_socket_mode = parse_mode(given);
  o.read_header_timeout = given.duration("read-header-timeout");
  o.read_body_timeout = given.duration("read-body-timeout");
  o.read_document_timeout = given.duration("read-document-timeout");
  o.transfer_timeout = given.duration("transfer-timeout");
  o.write_timeout = given.duration("write-timeout");
  o.idle_timeout = given.duration("idle-timeout");
  o.debug_bind_ip = given.text("debug-bind-ip");
  o.debug_bind_port = given.count<std::uint16_t>("debug-bind-port");
  o.tag = given.text("tag");
  o.skip_setup = given.flag("skip-setup");
  o.log_level = given.text("log-level");
  o.rfc3339_time = given.text("time-format") == "rfc3339";
  o.depot = given.text("depot");
  o.state_dir = given.text("state-dir");
  o.run_dir = given.text("run-dir");
}

void read_containers(const base::ConfigFile& given, Options& o) {
  o.default_rootfs = given.text("default-rootfs");
  o.graph_cleanup_threshold_megabytes = given.count<std::int64_t>("graph-cleanup-threshold-in-megabytes");
  o.default_grace_time = given.duration("default-grace-time");
  o.destroy_containers_on_startup = given.flag("destroy-containers-on-startup");
  o.disable_privileged_containers = given.flag("disable-privileged-containers");
  o.cleanup_process_dirs_on_wait = given.flag("cleanup-process-dirs-on-wait");
  o.max_containers = given.count<std::uint64_t>("max-containers");
  o.uid_map_start = given.count<std::uint32_t>("uid-map-start");
  o.uid_map_length = given.count<std::uint32_t>("uid-map-length");
  o.gid_map_start = given.count<std::uint32_t>("gid-map-start");
  o.gid_map_length = given.count<std::uint32_t>("gid-map-length");
  o.container_id_ranges = given.flag("container-id-ranges");
  o.container_id_pool_start = given.count<std::uint32_t>("container-id-pool-start");
  o.container_id_pool_size = given.count<std::uint32_t>("container-id-pool-size");
  o.container_id_range_length = given.count<std::uint32_t>("container-id-range-length");
  o.apparmor = given.text("apparmor");
  o.no_new_privileges = given.flag("no-new-privileges");
  o.deny_raw_sockets = given.flag("deny-raw-sockets");
  o.restrict_syscalls = given.flag("restrict-syscalls");
  for (const auto& text : given.texts("device-cgroup-rule")) o.device_rules.push_back(parse_device_rule(given, text));
  o.runtime = given.text("runtime-plugin");
  o.runtime_extra_args = given.texts("runtime-plugin-extra-arg");
  o.init_bin = given.text("init-bin");
  o.shim_bin = given.text("shim-bin");
}

// Fails for `key` unless its texts can be read as that part of the rules.
void check_destinations(const base::ConfigFile& given, const char* key,
                        std::vector<std::string> net::DestinationRules::*part, const char* expected) {
  net::DestinationRules rules;
  rules.*part = given.texts(key);
  try {
    const net::DestinationPolicy readable(rules);
  } catch (const std::invalid_argument& e) {
    given.fail(key, std::string(expected) + " (" + e.what() + ")");
  }
}

void read_registries(const base::ConfigFile& given, Options& o) {
  o.docker_registry = given.text("docker-registry");
  o.insecure_docker_registries = given.texts("insecure-docker-registry");
  o.registry_certificates = given.text("registry-certificates");
  check_destinations(given, "insecure-docker-registry", &net::DestinationRules::allowed_hosts, "a host or host:port");
  for (const char* key : {"deny-registry-network", "allow-registry-network"})
    check_destinations(given, key, &net::DestinationRules::denied_networks, "a network like 10.0.0.0/8");
  o.deny_registry_networks = given.texts("deny-registry-network");
  o.allow_registry_networks = given.texts("allow-registry-network");
}

void read_image_plugins(const base::ConfigFile& given, Options& o) {
  o.image_plugin = given.text("image-plugin");
  o.image_plugin_extra_args = given.texts("image-plugin-extra-arg");
  o.privileged_image_plugin = given.text("privileged-image-plugin");
  o.privileged_image_plugin_extra_args = given.texts("privileged-image-plugin-extra-arg");
}

void read_network(const base::ConfigFile& given, Options& o) {
  o.network_pool = given.text("network-pool");
  o.allow_host_access = given.flag("allow-host-access");
  o.deny_networks = given.texts("deny-network");
  o.dns_servers = given.texts("dns-server");
  o.additional_dns_servers = given.texts("additional-dns-server");
  o.additional_host_entries = given.texts("additional-host-entry");
  o.external_ip = given.text("external-ip");
  o.port_pool_start = given.count<std::uint32_t>("port-pool-start");
  o.port_pool_size = given.count<std::uint32_t>("port-pool-size");
  o.port_pool_properties_path = given.text("port-pool-properties-path");
  o.mtu = given.count<std::uint32_t>("mtu");
  o.enable_container_network_metrics = given.flag("enable-container-network-metrics");
  o.container_connection_limit = given.count<std::uint64_t>("container-connection-limit");
  o.network_plugin = given.text("network-plugin");
  o.network_plugin_extra_args = given.texts("network-plugin-extra-arg");
}

void read_limits(const base::ConfigFile& given, Options& o) {
  o.cpu_quota_per_share = given.count<std::uint64_t>("cpu-quota-per-share");
  o.cpu_entitlement_per_share = given.number("cpu-entitlement-per-share");
  o.blockio_weight = given.count<std::uint64_t>("default-container-blockio-weight");
  o.disable_swap_limit = given.flag("disable-swap-limit");
  o.default_memory_limit = given.count<std::uint64_t>("default-container-memory-limit");
  o.default_pid_limit = given.count<std::uint64_t>("default-container-pid-limit");
  o.tcp_keepalive_time = given.count<std::uint32_t>("tcp-keepalive-time");
  o.tcp_keepalive_interval = given.count<std::uint32_t>("tcp-keepalive-interval");
  o.tcp_keepalive_probes = given.count<std::uint32_t>("tcp-keepalive-probes");
  o.tcp_retries1 = given.count<std::uint32_t>("tcp-retries1");
  o.tcp_retries2 = given.count<std::uint32_t>("tcp-retries2");
}

// Rules between options, and what follows from others.
void finish(const base::ConfigFile& given, Options& o) {
  if (o.tag.size() > 2) given.fail("tag", "at most 2 characters");
  if (o.cpu_entitlement_per_share < 0) given.fail("cpu-entitlement-per-share", "a percentage from zero on");
  if (o.port_pool_start + o.port_pool_size > 65535) {
    given.fail("port-pool-start", "ports up to 65535 (invalid pool range: port_pool: New: invalid port range: startL " +
                                      std::to_string(o.port_pool_start) +
                                      ", size: " + std::to_string(o.port_pool_size) + ")");
  }
  for (const char* plugin : {"network-plugin", "image-plugin", "privileged-image-plugin"}) {
    const std::string path = given.text(plugin);
    if (!path.empty() && ::access(path.c_str(), X_OK) != 0) given.fail(plugin, "a program, not " + path);
  }
  o.depot = fs::absolute(o.depot).lexically_normal();
  while (o.depot.size() > 1 && o.depot.back() == '/') o.depot.pop_back();
  if (o.state_dir.empty()) o.state_dir = o.depot + "-state";
  o.state_dir = fs::absolute(o.state_dir).lexically_normal();
  if (o.run_dir.empty()) o.run_dir = "/run/garden-" + (o.tag.empty() ? "" : o.tag + "-") + digest_of(o.state_dir);
  if (!o.default_rootfs.empty() && o.default_rootfs.find(':') == std::string::npos) {
    o.default_rootfs = fs::absolute(o.default_rootfs).lexically_normal();
  }
  const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
  if (o.init_bin.empty()) o.init_bin = here / "garden-init";
  if (o.shim_bin.empty()) o.shim_bin = here / "garden-shim";
}

Options options_of(const base::CommandLine& line) {
  const base::ConfigFile given("garden", line.values, all_flags(), base::ConfigSource::kFlags);
  Options o;
  o.command = command_of(line.positional);
  read_server(given, o);
  read_containers(given, o);
  read_registries(given, o);
  read_image_plugins(given, o);
  read_network(given, o);
  read_limits(given, o);
  finish(given, o);
  o.notices = given.notices();
  return o;
}

bool asks_for(const base::CommandLine& line, const char* flag, const char* shorthand) {
  return line.values.contains(flag) || line.values.contains(shorthand);
}

}  // namespace

std::string Options::listen_address() const {
  return bind_ip.empty() ? "unix:" + bind_socket : bind_ip + ":" + std::to_string(bind_port);
}

void apply_default_limits(clients::garden::Limits& limits, const Options& options) {
  if (limits.memory.limit_in_bytes == 0) limits.memory.limit_in_bytes = options.default_memory_limit;
  if (limits.pid.max == 0) limits.pid.max = options.default_pid_limit;
}

Options parse_options(int argc, const char* const* argv) {
  try {
    const base::CommandLine line = read_flags(std::vector<std::string>(argv + 1, argv + argc));
    if (asks_for(line, "help", "h")) {
      std::cout << "Runs containers behind Garden's API.\nUsage: garden server|cleanup|setup FLAGS\n"
                << base::flag_help(all_flags());
      std::exit(0);
    }
    if (asks_for(line, "version", "v")) {
      std::cout << "dev\n";
      std::exit(0);
    }
    if (line.positional.empty()) {  // as upstream; a server is not started by a slip
      throw base::CommandLineError(
          "specify one command: server, cleanup or setup\nUsage: garden server|cleanup|setup "
          "FLAGS; garden --help lists them");
    }
    return options_of(line);
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    std::exit(1);
  }
}

Options parse_option_list(std::vector<std::string> arguments) {
  try {
    return options_of(read_flags(arguments));
  } catch (const std::exception& e) {
    throw std::invalid_argument(e.what());
  }
}

}  // namespace rivera::garden
