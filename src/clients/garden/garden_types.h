// The types of Garden's API: containers, processes, limits, rules, metrics, errors; and their JSON
// (docs/spec/garden.md §1.3, §1.4, §1.7). Shared by the client and the server.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

namespace rivera::clients::garden {

using Properties = std::map<std::string, std::string>;

// A property filter for listing: pairs are joined by "and". "garden.state" = "all" also lists half-made containers.
using PropertyFilter = std::map<std::string, std::string>;

// Where a root filesystem comes from: a directory or tar file path, "raw:///path", "docker://…", "preloaded+layer:…".
struct ImageRef {
  std::string uri;
  std::string username;
  std::string password;
  bool empty() const { return uri.empty() && username.empty() && password.empty(); }
};

struct BindMount {
  std::string src_path;
  std::string dst_path;
  bool read_write = false;
};

struct CpuLimits {
  std::uint64_t limit_in_shares = 0;
  std::uint64_t weight = 0;  // counts if above 0
  std::uint64_t shares() const { return weight > 0 ? weight : limit_in_shares; }
};
struct DiskLimits {
  std::uint64_t inode_soft = 0, inode_hard = 0, byte_soft = 0, byte_hard = 0;  // bytes; only byte_hard has effect
  bool exclusive_scope = false;                                                // the image is not counted
};
struct MemoryLimits {
  std::uint64_t limit_in_bytes = 0;  // 0: none
};
struct PidLimits {
  std::uint64_t max = 0;  // 0: none
};
struct Limits {
  CpuLimits cpu;
  DiskLimits disk;
  MemoryLimits memory;
  PidLimits pid;
};

struct NetIn {
  std::uint32_t host_port = 0;       // 0: one from the pool
  std::uint32_t container_port = 0;  // 0: the same as host_port
};
struct PortMapping {
  std::uint32_t host_port = 0;
  std::uint32_t container_port = 0;
  bool operator==(const PortMapping&) const = default;
};

enum class NetOutProtocol { kAll = 0, kTcp = 1, kUdp = 2, kIcmp = 3, kIcmpV6 = 4 };
struct IcmpControl {
  std::uint8_t type = 0;
  std::optional<std::uint8_t> code;
};

struct NetOutRule {
  struct IpRange {
    std::string start, end;  // either may be empty
  };
  struct PortRange {
    std::uint16_t start = 0, end = 0;
  };
  NetOutProtocol protocol = NetOutProtocol::kAll;
  std::vector<IpRange> networks;
  std::vector<PortRange> ports;
  std::optional<IcmpControl> icmps;
  bool log = false;
};

struct ContainerSpec {
  std::string handle;  // empty: the server makes one up
  std::int64_t grace_time_ns = 0;
  std::string rootfs;  // the older way to give image.uri
  ImageRef image;
  std::vector<BindMount> bind_mounts;
  std::string network;  // "a.b.c.d" or "a.b.c.d/n"; empty: any
  Properties properties;
  std::vector<std::string> env;  // "K=V"
  bool privileged = false;
  Limits limits;
  std::vector<NetOutRule> netout_rules;
  std::vector<NetIn> netin;
};

struct WindowSize {
  std::uint16_t columns = 80, rows = 24;
};

// Absent: no terminal. A terminal without a size is 80×24.
struct TtySpec {
  std::optional<WindowSize> window_size;
};

// Each absent: inherited. Soft and hard limit alike.
struct ResourceLimits {
  std::optional<std::uint64_t> as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio,
      sigpending, stack;
};

struct ProcessLimits {
  CpuLimits cpu;
  MemoryLimits memory;
};

struct ProcessSpec {
  std::string id;  // empty: the server makes one up
  std::string path;
  std::vector<std::string> args;
  std::vector<std::string> env;  // "K=V"
  std::string dir;               // empty: the user's home
  std::string user;              // name, uid, name:group, uid:gid; empty: root
  ResourceLimits rlimits;
  std::optional<ProcessLimits> limits;  // present, even empty: a group of its own (§2.14)
  std::optional<TtySpec> tty;
  ImageRef image;  // not empty: a process with an image of its own ("pea")
  std::vector<BindMount> bind_mounts;
};

enum class Signal { kTerminate = 0, kKill = 1 };

struct Capacity {
  std::uint64_t memory_in_bytes = 0;
  std::uint64_t disk_in_bytes = 0;
  std::uint64_t schedulable_disk_in_bytes = 0;
  std::uint64_t max_containers = 0;
};

struct ContainerInfo {
  std::string state;                // "active" or "stopped"
  std::vector<std::string> events;  // "Out of memory"
  std::string host_ip;
  std::string container_ip;
  std::string container_ipv6;
  std::string external_ip;
  std::string container_path;
  std::vector<std::string> process_ids;
  Properties properties;
  std::vector<PortMapping> mapped_ports;
};

struct CpuStat {
  std::uint64_t usage = 0, user = 0, system = 0;  // ns
};
struct DiskStat {
  std::uint64_t total_bytes_used = 0, total_inodes_used = 0, exclusive_bytes_used = 0, exclusive_inodes_used = 0;
};
struct NetworkStat {
  std::uint64_t rx_bytes = 0, tx_bytes = 0;  // as the container sees them
};
struct PidStat {
  std::uint64_t current = 0, max = 0;  // max 0: none
};
struct ContainerMetrics {
  std::map<std::string, std::uint64_t> memory;  // the members of MemoryStat but the next
  std::uint64_t total_usage_toward_limit = 0;
  CpuStat cpu;
  DiskStat disk;
  std::optional<NetworkStat> network;
  PidStat pid;
  std::int64_t age_ns = 0;
  std::uint64_t cpu_entitlement = 0;
};

// --- errors ---

// The server's answer to a request it could not do; `what()` is its message.
class GardenError : public std::runtime_error {
 public:
  explicit GardenError(const std::string& message, std::string wire_type = "")
      : std::runtime_error(message), type(std::move(wire_type)) {}
  std::string type;  // §1.7; mostly empty
};
class ContainerNotFoundError : public GardenError {
 public:
  explicit ContainerNotFoundError(const std::string& of_handle)
      : GardenError("unknown handle: " + of_handle, "ContainerNotFoundError"), handle(of_handle) {}
  std::string handle;
};
class ProcessNotFoundError : public GardenError {
 public:
  explicit ProcessNotFoundError(const std::string& of_process)
      : GardenError("unknown process: " + of_process, "ProcessNotFoundError"), process_id(of_process) {}
  std::string process_id;
};
class ExecutableNotFoundError : public GardenError {
 public:
  explicit ExecutableNotFoundError(const std::string& message) : GardenError(message, "ExecutableNotFoundError") {}
};
class ServiceUnavailableError : public GardenError {
 public:
  explicit ServiceUnavailableError(const std::string& message) : GardenError(message, "ServiceUnavailableError") {}
};
class UnrecoverableError : public GardenError {
 public:
  explicit UnrecoverableError(const std::string& message) : GardenError(message, "UnrecoverableError") {}
};

// The text of a second concurrent Destroy, which callers take for success.
inline constexpr const char* kAlreadyBeingDestroyed = "container already being destroyed";

// The error JSON of §1.7, and back: throws the type it names.
boost::json::value error_to_json(const GardenError& error);
[[noreturn]] void throw_error_json(const boost::json::value& json);

// --- JSON ---
// Reading matches member names without case, skips unknown ones, takes null for absent, and throws GardenError where a
// type is wrong. Writing gives the members in upstream's order.

boost::json::value to_json(const ContainerSpec& spec);
boost::json::value to_json(const ProcessSpec& spec);
boost::json::value to_json(const NetOutRule& rule);
boost::json::value to_json(const Limits& limits);
boost::json::value to_json(const TtySpec& tty);
boost::json::value to_json(const Capacity& capacity);
boost::json::value to_json(const ContainerInfo& info);
boost::json::value to_json(const ContainerMetrics& metrics);
boost::json::value to_json(const Properties& properties);

ContainerSpec container_spec_from_json(const boost::json::value& json);
ProcessSpec process_spec_from_json(const boost::json::value& json);
NetOutRule net_out_rule_from_json(const boost::json::value& json);
std::vector<NetOutRule> net_out_rules_from_json(const boost::json::value& json);
NetIn net_in_from_json(const boost::json::value& json);
TtySpec tty_spec_from_json(const boost::json::value& json);
Capacity capacity_from_json(const boost::json::value& json);
ContainerInfo container_info_from_json(const boost::json::value& json);
ContainerMetrics container_metrics_from_json(const boost::json::value& json);
Properties properties_from_json(const boost::json::value& json);

// The member `name` of an object, found without regard to case; nullptr if `json` is no object, or the member is absent
// or null. The last of several wins.
const boost::json::value* find_member(const boost::json::value& json, std::string_view name);

}  // namespace rivera::clients::garden
