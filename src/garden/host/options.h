// The flags of `gdn server` (docs/spec/garden.md §6.1) and Rivera's own.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config/config.h"
#include "clients/garden/garden_types.h"

namespace rivera::garden {

// Devices that a container may use: "TYPE MAJOR:MINOR ACCESS" with "*" for any number.
struct DeviceRule {
  char type = 'c';  // 'c' or 'b'
  std::optional<std::int64_t> major, minor;
  std::string access;  // of "rwm"
};

struct Options {
  enum class Command { kServer, kCleanup, kSetup };
  Command command = Command::kServer;

  // Where to listen: TCP if an address is given, else the socket.
  std::string bind_ip;
  std::uint16_t bind_port = 0;
  std::string bind_socket = "/tmp/garden.sock";
  unsigned bind_socket_mode = 0777;  // as upstream; who may connect may do everything
  // Upstream limits the head alone, 0: not that either. A limit that is 0 here is that of all our servers.
  std::chrono::nanoseconds read_header_timeout{0};
  // A transfer stands still while a disk is busy, on either side: more than for other requests.
  std::chrono::nanoseconds read_body_timeout = std::chrono::minutes(2);
  // All of a JSON document that a request has as its body.
  std::chrono::nanoseconds read_document_timeout = std::chrono::seconds(10);
  std::chrono::nanoseconds transfer_timeout = std::chrono::hours(1);
  std::chrono::nanoseconds write_timeout = std::chrono::minutes(2);
  std::chrono::nanoseconds idle_timeout = std::chrono::minutes(5);
  std::string debug_bind_ip;
  std::uint16_t debug_bind_port = 17013;

  // The depot has a directory per container. `state_dir` holds layers and upper directories ("" = "<depot>-state").
  // `run_dir` holds what does not survive a reboot, mount points and the runtime's state; other users must be able to
  // reach it, because a container's root is one ("" = "/run/garden-<tag>-<digest of state_dir>").
  std::string depot = "/var/run/gdn/depot";
  std::string state_dir;
  std::string run_dir;

  std::string tag;          // at most 2 characters; isolates names of interfaces, rules and cgroups
  bool skip_setup = false;  // mount no control groups
  std::string runtime;      // "" = crun where it works, else runc
  std::vector<std::string> runtime_extra_args;
  std::string init_bin;  // "" = garden-init in this program's directory
  std::string shim_bin;  // "" = garden-shim in this program's directory

  std::string default_rootfs;
  // Programs that make root file systems instead of garden, for containers with and without a user namespace. Both "":
  // none.
  std::string image_plugin, privileged_image_plugin;
  std::vector<std::string> image_plugin_extra_args, privileged_image_plugin_extra_args;
  std::string docker_registry = "registry-1.docker.io";  // of images that name none
  std::vector<std::string> insecure_docker_registries;   // "host" or "host:port"
  std::string registry_certificates = "/etc/docker/certs.d";
  // Where images may not come from, beside this machine and the containers' networks; and exceptions to that.
  std::vector<std::string> deny_registry_networks, allow_registry_networks;
  std::int64_t graph_cleanup_threshold_megabytes = 10240;  // -1: unused layers stay
  std::chrono::nanoseconds default_grace_time{0};
  bool destroy_containers_on_startup = false;
  bool disable_privileged_containers = false;
  bool cleanup_process_dirs_on_wait = false;
  std::uint64_t max_containers = 0;                     // 0: as many as there are subnets
  std::uint32_t uid_map_start = 1, uid_map_length = 0;  // length 0: up to the host's largest id
  std::uint32_t gid_map_start = 1, gid_map_length = 0;
  // Unprivileged containers have host ids of their own, `length` each, instead of those above for all. The pool is
  // shared with other gardens of the machine. Upstream has the one mapping for all.
  bool container_id_ranges = false;
  std::uint32_t container_id_pool_start = 2'415'919'104, container_id_pool_size = 536'870'912;
  std::uint32_t container_id_range_length = 65'536;
  std::string apparmor;
  bool no_new_privileges = false;
  // Of unprivileged containers. Upstream allows both.
  bool deny_raw_sockets = false;
  bool restrict_syscalls = false;
  std::vector<DeviceRule> device_rules;  // of privileged containers

  std::string network_pool = "10.254.0.0/22";
  bool allow_host_access = false;
  std::vector<std::string> deny_networks;
  std::vector<std::string> dns_servers, additional_dns_servers, additional_host_entries;
  std::string external_ip;
  std::uint32_t port_pool_start = 61001, port_pool_size = 4534;
  std::string port_pool_properties_path;
  std::uint32_t mtu = 0;  // 0: that of the external interface, at most 1500
  bool enable_container_network_metrics = false;
  std::uint64_t container_connection_limit = 0;  // connections that one may have opened at a time; 0: any number
  std::string network_plugin;                    // program that connects containers instead of garden; "" = none
  std::vector<std::string> network_plugin_extra_args;

  std::uint64_t cpu_quota_per_share = 0;
  std::uint64_t blockio_weight = 0;
  bool disable_swap_limit = false;
  // Of containers, and processes with limits of their own, that ask for none; 0: none.
  std::uint64_t default_memory_limit = 0;  // bytes
  std::uint64_t default_pid_limit = 0;
  double cpu_entitlement_per_share = 0;  // percent; 0: derived
  // tcp_keepalive_time, _intvl, _probes, tcp_retries1, tcp_retries2; 0: the host's value.
  std::uint32_t tcp_keepalive_time = 0, tcp_keepalive_interval = 0, tcp_keepalive_probes = 0;
  std::uint32_t tcp_retries1 = 0, tcp_retries2 = 0;

  std::string log_level = "info";
  bool rfc3339_time = true;

  base::ConfigNotices notices;  // to be logged at start

  std::string listen_address() const;
};

// Sets the ceilings of this cell where a container asks for no limit.
void apply_default_limits(clients::garden::Limits& limits, const Options& options);

// Every flag that upstream knows, and ours; names without dashes.
const base::ConfigKeys& option_keys();

// Reads the command line: `garden [--config FILE] [server|cleanup|setup] FLAGS`. Prints and ends the process with
// status 1 where it is wrong, 0 for --help and --version. Derived defaults (state_dir …) are filled in.
Options parse_options(int argc, const char* const* argv);

// The same for a list of arguments. Throws std::invalid_argument with one line. --help and --version are not taken.
Options parse_option_list(std::vector<std::string> arguments);

}  // namespace rivera::garden
