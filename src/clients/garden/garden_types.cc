#include "clients/garden/garden_types.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace rivera::clients::garden {

namespace json = boost::json;

namespace {

bool equal_without_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// Reads one object's members as Go's decoder would.
class Reader {
 public:
  Reader(const json::value& value, std::string_view what) : value_(value), what_(what) {
    if (!value.is_null() && !value.is_object()) fail("", "an object");
  }

  const json::value* find(std::string_view name) const { return find_member(value_, name); }

  void read(std::string_view name, std::string& into) const {
    if (const auto* v = find(name)) {
      if (!v->is_string()) fail(name, "a string");
      into = std::string(v->get_string());
    }
  }
  void read(std::string_view name, bool& into) const {
    if (const auto* v = find(name)) {
      if (!v->is_bool()) fail(name, "true or false");
      into = v->get_bool();
    }
  }
  template <typename Integer>
  requires std::is_integral_v<Integer>
  void read(std::string_view name, Integer& into) const {
    if (const auto* v = find(name)) {
      error_code ec;
      into = v->to_number<Integer>(ec);
      if (ec || v->is_double()) fail(name, "an integer in range");
    }
  }
  template <typename Integer>
  requires std::is_integral_v<Integer>
  void read(std::string_view name, std::optional<Integer>& into) const {
    if (find(name) == nullptr) return;
    into.emplace();
    read(name, *into);
  }
  void read(std::string_view name, std::vector<std::string>& into) const {
    read_each(name, [&](const json::value& item) {
      if (item.is_null()) {
        into.emplace_back();
        return;
      }
      if (!item.is_string()) fail(name, "an array of strings");
      into.emplace_back(item.get_string());
    });
  }
  void read(std::string_view name, Properties& into) const {
    const auto* v = find(name);
    if (v == nullptr) return;
    if (!v->is_object()) fail(name, "an object");
    for (const auto& [key, item] : v->get_object()) {
      if (!item.is_string() && !item.is_null()) fail(name, "an object of strings");
      into[std::string(key)] = item.is_string() ? std::string(item.get_string()) : std::string();
    }
  }
  template <typename Function>
  void read_each(std::string_view name, Function function) const {
    const auto* v = find(name);
    if (v == nullptr) return;
    if (!v->is_array()) fail(name, "an array");
    for (const auto& item : v->get_array()) function(item);
  }
  // A nested structure; absent and null are alike.
  Reader member(std::string_view name) const {
    static const json::value null;
    const auto* v = find(name);
    return Reader(v == nullptr ? null : *v, name);
  }

 private:
  using error_code = boost::system::error_code;
  [[noreturn]] void fail(std::string_view name, std::string_view expected) const {
    throw GardenError("json: cannot unmarshal " + std::string(what_) + (name.empty() ? "" : ".") + std::string(name) +
                      ": expected " + std::string(expected));
  }

  const json::value& value_;
  std::string_view what_;
};

json::array to_array(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

// Go's "omitempty".
template <typename T>
void put(json::object& object, std::string_view name, const T& value) {
  if (value != T{}) object[name] = value;
}
void put(json::object& object, std::string_view name, const std::vector<std::string>& texts) {
  if (!texts.empty()) object[name] = to_array(texts);
}

json::value to_json(const CpuLimits& cpu) {
  json::object o;
  put(o, "limit_in_shares", cpu.limit_in_shares);
  put(o, "weight", cpu.weight);
  return o;
}

json::value to_json(const MemoryLimits& memory) {
  json::object o;
  put(o, "limit_in_bytes", memory.limit_in_bytes);
  return o;
}

json::value to_json(const ImageRef& image) {
  json::object o;
  put(o, "uri", image.uri);
  put(o, "username", image.username);
  put(o, "password", image.password);
  return o;
}

json::array to_json(const std::vector<BindMount>& mounts) {
  json::array a;
  for (const auto& mount : mounts) {
    json::object o;
    put(o, "src_path", mount.src_path);
    put(o, "dst_path", mount.dst_path);
    if (mount.read_write) o["mode"] = 1;
    a.push_back(o);
  }
  return a;
}

CpuLimits read_cpu(const Reader& r) {
  CpuLimits cpu;
  r.read("limit_in_shares", cpu.limit_in_shares);
  r.read("weight", cpu.weight);
  return cpu;
}

MemoryLimits read_memory(const Reader& r) {
  MemoryLimits memory;
  r.read("limit_in_bytes", memory.limit_in_bytes);
  return memory;
}

Limits read_limits(const Reader& r) {
  Limits limits;
  limits.cpu = read_cpu(r.member("cpu_limits"));
  limits.memory = read_memory(r.member("memory_limits"));
  r.member("pid_limits").read("max", limits.pid.max);
  const Reader disk = r.member("disk_limits");
  disk.read("inode_soft", limits.disk.inode_soft);
  disk.read("inode_hard", limits.disk.inode_hard);
  disk.read("byte_soft", limits.disk.byte_soft);
  disk.read("byte_hard", limits.disk.byte_hard);
  int scope = 0;
  disk.read("scope", scope);
  limits.disk.exclusive_scope = scope == 1;
  return limits;
}

ImageRef read_image(const Reader& r) {
  ImageRef image;
  r.read("uri", image.uri);
  r.read("username", image.username);
  r.read("password", image.password);
  return image;
}

std::vector<BindMount> read_bind_mounts(const Reader& r) {
  std::vector<BindMount> mounts;
  r.read_each("bind_mounts", [&](const json::value& item) {
    const Reader m(item, "bind_mounts");
    BindMount mount;
    int mode = 0;
    m.read("src_path", mount.src_path);
    m.read("dst_path", mount.dst_path);
    m.read("mode", mode);
    mount.read_write = mode == 1;
    mounts.push_back(std::move(mount));
  });
  return mounts;
}

// Calls f(name, member) for each resource limit.
template <typename Limits, typename Function>
void for_each_rlimit(Limits& l, Function f) {
  f("as", l.as), f("core", l.core), f("cpu", l.cpu), f("data", l.data), f("fsize", l.fsize), f("locks", l.locks);
  f("memlock", l.memlock), f("msgqueue", l.msgqueue), f("nice", l.nice), f("nofile", l.nofile), f("nproc", l.nproc);
  f("rss", l.rss), f("rtprio", l.rtprio), f("sigpending", l.sigpending), f("stack", l.stack);
}

constexpr const char* kMemoryStatNames[] = {"active_anon",
                                            "active_file",
                                            "cache",
                                            "hierarchical_memory_limit",
                                            "inactive_anon",
                                            "inactive_file",
                                            "mapped_file",
                                            "pgfault",
                                            "pgmajfault",
                                            "pgpgin",
                                            "pgpgout",
                                            "rss",
                                            "total_active_anon",
                                            "total_active_file",
                                            "total_cache",
                                            "total_inactive_anon",
                                            "total_inactive_file",
                                            "total_mapped_file",
                                            "total_pgfault",
                                            "total_pgmajfault",
                                            "total_pgpgin",
                                            "total_pgpgout",
                                            "total_rss",
                                            "total_unevictable",
                                            "unevictable",
                                            "swap",
                                            "hierarchical_memsw_limit",
                                            "total_swap",
                                            "anon",
                                            "file",
                                            "swapcached"};

}  // namespace

const json::value* find_member(const json::value& value, std::string_view name) {
  const auto* object = value.if_object();
  if (object == nullptr) return nullptr;
  const json::value* found = nullptr;
  for (const auto& [key, member] : *object) {
    if (equal_without_case(key, name)) found = &member;
  }
  return found != nullptr && found->is_null() ? nullptr : found;
}

// --- errors ---

json::value error_to_json(const GardenError& error) {
  const auto* container = dynamic_cast<const ContainerNotFoundError*>(&error);
  const auto* process = dynamic_cast<const ProcessNotFoundError*>(&error);
  return json::object{{"Type", error.type},
                      {"Message", error.what()},
                      {"Handle", container != nullptr ? container->handle : std::string()},
                      {"ProcessID", process != nullptr ? process->process_id : std::string()},
                      {"Binary", ""}};
}

void throw_error_json(const json::value& value) {
  const Reader r(value, "error");
  std::string type, message, handle, process;
  r.read("Type", type), r.read("Message", message), r.read("Handle", handle), r.read("ProcessID", process);
  if (type == "ContainerNotFoundError") throw ContainerNotFoundError(handle);
  if (type == "ProcessNotFoundError") throw ProcessNotFoundError(process);
  if (type == "ExecutableNotFoundError") throw ExecutableNotFoundError(message);
  if (type == "ServiceUnavailableError") throw ServiceUnavailableError(message);
  if (type == "UnrecoverableError") throw UnrecoverableError(message);
  throw GardenError(message, type);
}

// --- writing ---

json::value to_json(const Limits& limits) {
  json::object disk;
  put(disk, "inode_soft", limits.disk.inode_soft);
  put(disk, "inode_hard", limits.disk.inode_hard);
  put(disk, "byte_soft", limits.disk.byte_soft);
  put(disk, "byte_hard", limits.disk.byte_hard);
  if (limits.disk.exclusive_scope) disk["scope"] = 1;
  json::object pid;
  put(pid, "max", limits.pid.max);
  return json::object{{"bandwidth_limits", json::object()},
                      {"cpu_limits", to_json(limits.cpu)},
                      {"disk_limits", disk},
                      {"memory_limits", to_json(limits.memory)},
                      {"pid_limits", pid}};
}

json::value to_json(const NetOutRule& rule) {
  json::object o;
  if (rule.protocol != NetOutProtocol::kAll) o["protocol"] = static_cast<int>(rule.protocol);
  json::array networks, ports;
  for (const auto& network : rule.networks) {
    json::object range;
    put(range, "start", network.start);
    put(range, "end", network.end);
    networks.push_back(range);
  }
  for (const auto& port : rule.ports) ports.push_back(json::object{{"start", port.start}, {"end", port.end}});
  if (!networks.empty()) o["networks"] = networks;
  if (!ports.empty()) o["ports"] = ports;
  if (rule.icmps) {
    json::object icmp{{"type", rule.icmps->type}};
    if (rule.icmps->code) icmp["code"] = *rule.icmps->code;
    o["icmps"] = icmp;
  }
  if (rule.log) o["log"] = true;
  return o;
}

json::value to_json(const ContainerSpec& spec) {
  json::object o;
  put(o, "handle", spec.handle);
  put(o, "grace_time", spec.grace_time_ns);
  put(o, "rootfs", spec.rootfs);
  o["image"] = to_json(spec.image);
  if (!spec.bind_mounts.empty()) o["bind_mounts"] = to_json(spec.bind_mounts);
  put(o, "network", spec.network);
  if (!spec.properties.empty()) o["properties"] = to_json(spec.properties);
  put(o, "env", spec.env);
  put(o, "privileged", spec.privileged);
  o["limits"] = to_json(spec.limits);
  json::array rules, ports;
  for (const auto& rule : spec.netout_rules) rules.push_back(to_json(rule));
  for (const auto& net_in : spec.netin) {
    ports.push_back(json::object{{"host_port", net_in.host_port}, {"container_port", net_in.container_port}});
  }
  if (!rules.empty()) o["netout_rules"] = rules;
  if (!ports.empty()) o["netin"] = ports;
  return o;
}

json::value to_json(const TtySpec& tty) {
  json::object o;
  if (tty.window_size) {
    o["window_size"] = json::object{{"columns", tty.window_size->columns}, {"rows", tty.window_size->rows}};
  }
  return o;
}

json::value to_json(const ProcessSpec& spec) {
  json::object o;
  put(o, "id", spec.id);
  put(o, "path", spec.path);
  put(o, "args", spec.args);
  put(o, "env", spec.env);
  put(o, "dir", spec.dir);
  put(o, "user", spec.user);
  json::object rlimits;
  for_each_rlimit(spec.rlimits, [&](const char* name, const std::optional<std::uint64_t>& limit) {
    if (limit) rlimits[name] = *limit;
  });
  o["rlimits"] = rlimits;
  if (spec.limits) {
    o["limits"] =
        json::object{{"cpu_limits", to_json(spec.limits->cpu)}, {"memory_limits", to_json(spec.limits->memory)}};
  }
  if (spec.tty) o["tty"] = to_json(*spec.tty);
  o["image"] = to_json(spec.image);
  if (!spec.bind_mounts.empty()) o["bind_mounts"] = to_json(spec.bind_mounts);
  return o;
}

json::value to_json(const Capacity& capacity) {
  json::object o;
  put(o, "memory_in_bytes", capacity.memory_in_bytes);
  put(o, "disk_in_bytes", capacity.disk_in_bytes);
  put(o, "schedulable_disk_in_bytes", capacity.schedulable_disk_in_bytes);
  put(o, "max_containers", capacity.max_containers);
  return o;
}

json::value to_json(const Properties& properties) {
  json::object o;
  for (const auto& [key, value] : properties) o[key] = value;
  return o;
}

json::value to_json(const ContainerInfo& info) {
  json::array ports;
  for (const auto& mapping : info.mapped_ports) {
    ports.push_back(json::object{{"HostPort", mapping.host_port}, {"ContainerPort", mapping.container_port}});
  }
  json::value events, processes;
  if (!info.events.empty()) events = to_array(info.events);
  if (!info.process_ids.empty()) processes = to_array(info.process_ids);
  return json::object{{"State", info.state},
                      {"Events", events},
                      {"HostIP", info.host_ip},
                      {"ContainerIP", info.container_ip},
                      {"ContainerIPv6", info.container_ipv6},
                      {"ExternalIP", info.external_ip},
                      {"ContainerPath", info.container_path},
                      {"ProcessIDs", processes},
                      {"Properties", to_json(info.properties)},
                      {"MappedPorts", ports}};
}

json::value to_json(const ContainerMetrics& metrics) {
  json::object memory;
  for (const char* name : kMemoryStatNames) {
    const auto found = metrics.memory.find(name);
    memory[name] = found == metrics.memory.end() ? 0 : found->second;
  }
  memory["TotalUsageTowardLimit"] = metrics.total_usage_toward_limit;
  json::value network;
  if (metrics.network)
    network = json::object{{"RxBytes", metrics.network->rx_bytes}, {"TxBytes", metrics.network->tx_bytes}};
  return json::object{
      {"MemoryStat", memory},
      {"CPUStat", {{"Usage", metrics.cpu.usage}, {"User", metrics.cpu.user}, {"System", metrics.cpu.system}}},
      {"DiskStat",
       {{"TotalBytesUsed", metrics.disk.total_bytes_used},
        {"TotalInodesUsed", metrics.disk.total_inodes_used},
        {"ExclusiveBytesUsed", metrics.disk.exclusive_bytes_used},
        {"ExclusiveInodesUsed", metrics.disk.exclusive_inodes_used}}},
      {"NetworkStat", network},
      {"PidStat", {{"Current", metrics.pid.current}, {"Max", metrics.pid.max}}},
      {"Age", metrics.age_ns},
      {"CPUEntitlement", metrics.cpu_entitlement}};
}

// --- reading ---

NetIn net_in_from_json(const json::value& value) {
  const Reader r(value, "NetIn");
  NetIn net_in;
  r.read("host_port", net_in.host_port);
  r.read("container_port", net_in.container_port);
  return net_in;
}

NetOutRule net_out_rule_from_json(const json::value& value) {
  const Reader r(value, "NetOutRule");
  NetOutRule rule;
  std::uint8_t protocol = 0;
  r.read("protocol", protocol);
  if (protocol > 4) throw GardenError("invalid protocol: " + std::to_string(protocol));
  rule.protocol = static_cast<NetOutProtocol>(protocol);
  r.read_each("networks", [&](const json::value& item) {
    const Reader n(item, "networks");
    n.read("start", rule.networks.emplace_back().start);
    n.read("end", rule.networks.back().end);
  });
  r.read_each("ports", [&](const json::value& item) {
    const Reader p(item, "ports");
    p.read("start", rule.ports.emplace_back().start);
    p.read("end", rule.ports.back().end);
  });
  if (const auto* icmps = r.find("icmps")) {
    const Reader i(*icmps, "icmps");
    i.read("type", rule.icmps.emplace().type);
    i.read("code", rule.icmps->code);
  }
  r.read("log", rule.log);
  return rule;
}

std::vector<NetOutRule> net_out_rules_from_json(const json::value& value) {
  std::vector<NetOutRule> rules;
  if (value.is_null()) return rules;
  if (!value.is_array()) throw GardenError("json: cannot unmarshal rules: expected an array");
  for (const auto& item : value.get_array()) rules.push_back(net_out_rule_from_json(item));
  return rules;
}

ContainerSpec container_spec_from_json(const json::value& value) {
  const Reader r(value, "ContainerSpec");
  ContainerSpec spec;
  r.read("handle", spec.handle);
  r.read("grace_time", spec.grace_time_ns);
  r.read("rootfs", spec.rootfs);
  spec.image = read_image(r.member("image"));
  spec.bind_mounts = read_bind_mounts(r);
  r.read("network", spec.network);
  r.read("properties", spec.properties);
  r.read("env", spec.env);
  r.read("privileged", spec.privileged);
  spec.limits = read_limits(r.member("limits"));
  r.read_each("netout_rules",
              [&](const json::value& item) { spec.netout_rules.push_back(net_out_rule_from_json(item)); });
  r.read_each("netin", [&](const json::value& item) { spec.netin.push_back(net_in_from_json(item)); });
  return spec;
}

TtySpec tty_spec_from_json(const json::value& value) {
  const Reader r(value, "TTYSpec");
  TtySpec tty;
  if (const auto* size = r.find("window_size")) {
    const Reader s(*size, "window_size");
    s.read("columns", tty.window_size.emplace().columns);
    s.read("rows", tty.window_size->rows);
  }
  return tty;
}

ProcessSpec process_spec_from_json(const json::value& value) {
  const Reader r(value, "ProcessSpec");
  ProcessSpec spec;
  r.read("id", spec.id);
  r.read("path", spec.path);
  r.read("args", spec.args);
  r.read("env", spec.env);
  r.read("dir", spec.dir);
  r.read("user", spec.user);
  const Reader rlimits = r.member("rlimits");
  for_each_rlimit(spec.rlimits,
                  [&](const char* name, std::optional<std::uint64_t>& limit) { rlimits.read(name, limit); });
  if (const auto* limits = r.find("limits")) {
    const Reader l(*limits, "limits");
    spec.limits = ProcessLimits{read_cpu(l.member("cpu_limits")), read_memory(l.member("memory_limits"))};
  }
  if (const auto* tty = r.find("tty")) spec.tty = tty_spec_from_json(*tty);
  spec.image = read_image(r.member("image"));
  spec.bind_mounts = read_bind_mounts(r);
  return spec;
}

Capacity capacity_from_json(const json::value& value) {
  const Reader r(value, "Capacity");
  Capacity capacity;
  r.read("memory_in_bytes", capacity.memory_in_bytes);
  r.read("disk_in_bytes", capacity.disk_in_bytes);
  r.read("schedulable_disk_in_bytes", capacity.schedulable_disk_in_bytes);
  r.read("max_containers", capacity.max_containers);
  return capacity;
}

ContainerInfo container_info_from_json(const json::value& value) {
  const Reader r(value, "ContainerInfo");
  ContainerInfo info;
  r.read("State", info.state);
  r.read("Events", info.events);
  r.read("HostIP", info.host_ip);
  r.read("ContainerIP", info.container_ip);
  r.read("ContainerIPv6", info.container_ipv6);
  r.read("ExternalIP", info.external_ip);
  r.read("ContainerPath", info.container_path);
  r.read("ProcessIDs", info.process_ids);
  r.read("Properties", info.properties);
  r.read_each("MappedPorts", [&](const json::value& item) {
    const Reader p(item, "MappedPorts");
    p.read("HostPort", info.mapped_ports.emplace_back().host_port);
    p.read("ContainerPort", info.mapped_ports.back().container_port);
  });
  return info;
}

ContainerMetrics container_metrics_from_json(const json::value& value) {
  const Reader r(value, "Metrics");
  ContainerMetrics metrics;
  const Reader memory = r.member("MemoryStat"), cpu = r.member("CPUStat"), disk = r.member("DiskStat"),
               pid = r.member("PidStat");
  for (const char* name : kMemoryStatNames) memory.read(name, metrics.memory[name]);
  memory.read("TotalUsageTowardLimit", metrics.total_usage_toward_limit);
  cpu.read("Usage", metrics.cpu.usage);
  cpu.read("User", metrics.cpu.user);
  cpu.read("System", metrics.cpu.system);
  disk.read("TotalBytesUsed", metrics.disk.total_bytes_used);
  disk.read("TotalInodesUsed", metrics.disk.total_inodes_used);
  disk.read("ExclusiveBytesUsed", metrics.disk.exclusive_bytes_used);
  disk.read("ExclusiveInodesUsed", metrics.disk.exclusive_inodes_used);
  if (const auto* network = r.find("NetworkStat")) {
    const Reader n(*network, "NetworkStat");
    n.read("RxBytes", metrics.network.emplace().rx_bytes);
    n.read("TxBytes", metrics.network->tx_bytes);
  }
  pid.read("Current", metrics.pid.current);
  pid.read("Max", metrics.pid.max);
  r.read("Age", metrics.age_ns);
  r.read("CPUEntitlement", metrics.cpu_entitlement);
  return metrics;
}

Properties properties_from_json(const json::value& value) {
  Properties properties;
  const json::value wrapped = json::object{{"properties", value}};
  Reader(wrapped, "Properties").read("properties", properties);
  return properties;
}

}  // namespace rivera::clients::garden
