#include "garden/bundle/bundle.h"

#include <algorithm>
#include <limits>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <boost/json/array.hpp>

#include "garden/bundle/seccomp_profile.h"

namespace rivera::garden {

namespace json = boost::json;
namespace api = clients::garden;

namespace {

constexpr std::uint64_t kUnprivilegedCapabilities = 0xa80425fb;
constexpr std::uint64_t kPrivilegedCapabilities = 0x3fffffffff;
constexpr std::uint64_t kNonRootCapabilities = 0xa82425fb;
constexpr std::uint64_t kSysResource = 1ull << 24;

json::array to_array(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

json::array to_json(const std::vector<IdMapping::Range>& ranges) {
  json::array list;
  for (const auto& range : ranges) {
    list.push_back(json::object{{"containerID", range.container}, {"hostID", range.host}, {"size", range.length}});
  }
  return list;
}

// --- mounts ---

// A read-only remount inside a user namespace must repeat what the source's mount forbids.
std::vector<std::string> locked_options(const std::string& source) {
  struct statvfs info {};
  std::vector<std::string> options;
  if (::statvfs(source.c_str(), &info) != 0) return options;
  if ((info.f_flag & ST_NODEV) != 0) options.emplace_back("nodev");
  if ((info.f_flag & ST_NOSUID) != 0) options.emplace_back("nosuid");
  if ((info.f_flag & ST_NOEXEC) != 0) options.emplace_back("noexec");
  if ((info.f_flag & ST_NOATIME) != 0) options.emplace_back("noatime");
  if ((info.f_flag & ST_NODIRATIME) != 0) options.emplace_back("nodiratime");
  return options;
}

Mount bind_mount(const std::string& source, const std::string& destination, bool read_write) {
  Mount mount{destination, "bind", source, {"bind", read_write ? "rw" : "ro"}};
  for (auto& option : locked_options(source)) mount.options.push_back(std::move(option));
  return mount;
}

std::vector<Mount> mounts_of(const BundleInput& input, const Options& options, const Host& host) {
  std::vector<Mount> mounts = {
      {"/sys", "sysfs", "sysfs", {"noexec", "nosuid", "nodev", "ro"}},
      {"/dev", "tmpfs", "tmpfs", {"noexec", "strictatime", "mode=755"}},
      {"/dev/shm", "tmpfs", "tmpfs", {"noexec", "nosuid", "nodev", "mode=1777"}},
      {"/dev/mqueue", "mqueue", "mqueue", {"noexec", "nosuid", "nodev"}},
      {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "gid=5", "ptmxmode=0666", "mode=0620"}},
      {"/tmp/garden-init", "bind", options.init_bin, {"bind", "ro"}},
      {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
  };
  if (!input.privileged && !host.has_unified_cgroups) {
    mounts.push_back({"/sys/fs/cgroup", "cgroup", "cgroup", {"ro", "nosuid", "noexec", "nodev"}});
  }
  for (const auto* binds : {&input.bind_mounts, &input.system_mounts}) {
    for (const auto& bind : *binds) mounts.push_back(bind_mount(bind.src_path, bind.dst_path, bind.read_write));
  }
  mounts.insert(mounts.begin(), input.image_mounts.begin(), input.image_mounts.end());
  return mounts;
}

json::array to_json(const std::vector<Mount>& mounts) {
  json::array list;
  for (const auto& mount : mounts) {
    list.push_back(json::object{{"destination", mount.destination},
                                {"type", mount.type},
                                {"source", mount.source},
                                {"options", to_array(mount.options)}});
  }
  return list;
}

// --- resources ---

json::object memory_resources(const api::MemoryLimits& limits, const Options& options, const Host& host) {
  json::object memory;
  if (limits.limit_in_bytes == 0) return memory;
  const auto limit = static_cast<std::int64_t>(
      std::min<std::uint64_t>(limits.limit_in_bytes, std::numeric_limits<std::int64_t>::max()));
  memory["limit"] = limit;
  if (!options.disable_swap_limit && host.has_swap_limit) memory["swap"] = limit;
  return memory;
}

json::object cpu_resources(const api::CpuLimits& limits, const Options& options) {
  json::object cpu;
  const std::uint64_t shares = limits.shares();
  if (shares == 0) return cpu;
  cpu["shares"] = shares;
  if (options.cpu_quota_per_share > 0) {
    constexpr std::uint64_t kPeriod = 100'000, kLeastQuota = 1'000;  // µs
    cpu["period"] = kPeriod;
    cpu["quota"] = std::max(shares * options.cpu_quota_per_share, kLeastQuota);
  }
  return cpu;
}

json::object device_rule(const char* type, std::int64_t major, std::int64_t minor, const char* access) {
  json::object rule{{"allow", true}, {"type", type}, {"access", access}};
  if (major >= 0) rule["major"] = major;
  if (minor >= 0) rule["minor"] = minor;
  return rule;
}

json::array device_rules(bool privileged) {
  json::array rules;
  rules.push_back(json::object{{"allow", false}, {"access", "rwm"}});
  rules.push_back(device_rule("c", -1, -1, "m"));
  rules.push_back(device_rule("b", -1, -1, "m"));
  for (const auto& [major, minor] :
       {std::pair{1, 3}, {1, 8}, {1, 7}, {5, 0}, {1, 5}, {1, 9}, {136, -1}, {5, 2}, {10, 200}}) {
    rules.push_back(device_rule("c", major, minor, "rwm"));
  }
  if (privileged) rules.push_back(device_rule("c", 10, 229, "rwm"));  // fuse
  return rules;
}

json::object resources_of(const BundleInput& input, const Options& options, const Host& host) {
  json::object resources{{"devices", device_rules(input.privileged)}};
  resources["memory"] = memory_resources(input.limits.memory, options, host);
  resources["cpu"] = cpu_resources(input.limits.cpu, options);
  if (input.limits.pid.max > 0) resources["pids"] = {{"limit", input.limits.pid.max}};
  if (options.blockio_weight > 0) resources["blockIO"] = {{"weight", options.blockio_weight}};
  return resources;
}

// --- security ---

json::object capabilities(std::uint64_t mask, bool effective) {
  const json::array names = to_array(capability_names(mask));
  json::object sets{{"bounding", names}, {"inheritable", names}, {"permitted", names}};
  if (effective) sets["effective"] = names;
  return sets;
}

json::object sysctls_of(bool privileged, const Options& options, const Host& host) {
  json::object sysctls;
  for (const auto& [name, value] : host.sysctls) sysctls[name] = value;
  const auto replace = [&](const char* name, std::uint32_t value) {
    if (value > 0) sysctls[std::string("net.ipv4.") + name] = std::to_string(value);
  };
  replace("tcp_keepalive_time", options.tcp_keepalive_time);
  replace("tcp_keepalive_intvl", options.tcp_keepalive_interval);
  replace("tcp_keepalive_probes", options.tcp_keepalive_probes);
  replace("tcp_retries1", options.tcp_retries1);
  replace("tcp_retries2", options.tcp_retries2);
  if (host.has_ipv6) {
    // Of interfaces that are made later: the loopback keeps ::1.
    sysctls["net.ipv6.conf.default.disable_ipv6"] = "1";
    sysctls["net.ipv6.conf.default.accept_ra"] = "0";
  }
  if (options.no_new_privileges && !privileged) sysctls["net.ipv4.ping_group_range"] = "1 65535";
  return sysctls;
}

json::object linux_section(const BundleInput& input, const Options& options, const Host& host) {
  json::array namespaces;
  for (const char* type : {"network", "pid", "uts", "ipc", "mount"}) namespaces.push_back(json::object{{"type", type}});
  json::object section{{"resources", resources_of(input, options, host)},
                       {"sysctl", sysctls_of(input.privileged, options, host)},
                       {"rootfsPropagation", "private"}};
  section["cgroupsPath"] = input.cgroup_path;
  if (input.privileged) {
    section["devices"] = json::array{json::object{{"path", "/dev/fuse"},
                                                  {"type", "c"},
                                                  {"major", 10},
                                                  {"minor", 229},
                                                  {"fileMode", 0666},
                                                  {"uid", 0},
                                                  {"gid", 0}}};
  } else {
    namespaces.push_back(json::object{{"type", "user"}});
    section["uidMappings"] = to_json(input.mapping.uids);
    section["gidMappings"] = to_json(input.mapping.gids);
    section["seccomp"] = seccomp_profile();
    section["maskedPaths"] =
        json::array{"/proc/kcore",      "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
                    "/proc/timer_list", "/proc/timer_stats",   "/proc/keys",        "/sys/firmware"};
  }
  section["namespaces"] = std::move(namespaces);
  return section;
}

void add_security(json::object& process, bool privileged, bool for_root, bool is_init, const Options& options,
                  const Host& host) {
  process["capabilities"] = capabilities(container_capabilities(privileged, for_root, host.capabilities), is_init);
  if (host.is_spared_by_oom_killer) process["oomScoreAdj"] = 0;
  if (privileged) return;
  if (options.no_new_privileges) process["noNewPrivileges"] = true;
  if (!options.apparmor.empty()) process["apparmorProfile"] = options.apparmor;
}

json::array rlimits_of(const api::ResourceLimits& limits, const Host& host) {
  json::array list;
  const auto add = [&](const char* name, int resource, const std::optional<std::uint64_t>& limit) {
    if (!limit) return;
    std::uint64_t value = *limit;
    rlimit own{};
    // Without CAP_SYS_RESOURCE a process cannot go above its own hard limit.
    if ((host.capabilities & kSysResource) == 0 && ::getrlimit(static_cast<__rlimit_resource>(resource), &own) == 0) {
      value = std::min<std::uint64_t>(value, own.rlim_max);
    }
    list.push_back(json::object{{"type", name}, {"hard", value}, {"soft", value}});
  };
  add("RLIMIT_AS", RLIMIT_AS, limits.as), add("RLIMIT_CORE", RLIMIT_CORE, limits.core);
  add("RLIMIT_CPU", RLIMIT_CPU, limits.cpu), add("RLIMIT_DATA", RLIMIT_DATA, limits.data);
  add("RLIMIT_FSIZE", RLIMIT_FSIZE, limits.fsize), add("RLIMIT_LOCKS", RLIMIT_LOCKS, limits.locks);
  add("RLIMIT_MEMLOCK", RLIMIT_MEMLOCK, limits.memlock), add("RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE, limits.msgqueue);
  add("RLIMIT_NICE", RLIMIT_NICE, limits.nice), add("RLIMIT_NOFILE", RLIMIT_NOFILE, limits.nofile);
  add("RLIMIT_NPROC", RLIMIT_NPROC, limits.nproc), add("RLIMIT_RSS", RLIMIT_RSS, limits.rss);
  add("RLIMIT_RTPRIO", RLIMIT_RTPRIO, limits.rtprio), add("RLIMIT_SIGPENDING", RLIMIT_SIGPENDING, limits.sigpending);
  add("RLIMIT_STACK", RLIMIT_STACK, limits.stack);
  return list;
}

}  // namespace

std::uint64_t container_capabilities(bool privileged, bool for_root, std::uint64_t held) {
  std::uint64_t mask = privileged ? kPrivilegedCapabilities : kUnprivilegedCapabilities;
  if (!for_root) mask &= kNonRootCapabilities;
  return mask & held;
}

std::string host_name_of(const std::string& handle) {
  constexpr std::size_t kLength = 49;
  return handle.size() <= kLength ? handle : handle.substr(handle.size() - kLength);
}

json::object make_bundle(const BundleInput& input, const Options& options, const Host& host) {
  json::object process{{"user", {{"uid", 0}, {"gid", 0}}},
                       {"args", json::array{"/tmp/garden-init"}},
                       {"env", json::array{}},
                       {"cwd", "/"},
                       {"terminal", false}};
  add_security(process, input.privileged, true, true, options, host);
  return {{"ociVersion", "1.0.0"},
          {"process", std::move(process)},
          {"root", {{"path", input.root}, {"readonly", false}}},
          {"hostname", host_name_of(input.handle)},
          {"mounts", to_json(mounts_of(input, options, host))},
          {"linux", linux_section(input, options, host)}};
}

std::vector<std::string> process_environment(const std::vector<std::string>& container_env,
                                             const api::ProcessSpec& spec, std::uint32_t uid) {
  std::vector<std::string> variables;
  const auto name_of = [](const std::string& variable) { return variable.substr(0, variable.find('=')); };
  const auto has = [&](const std::string& name) {
    return std::any_of(variables.begin(), variables.end(), [&](const auto& v) { return name_of(v) == name; });
  };
  for (const auto* list : {&container_env, &spec.env}) {
    for (const auto& variable : *list) {
      std::erase_if(variables, [&](const auto& v) { return name_of(v) == name_of(variable); });
      variables.push_back(variable);
    }
  }
  if (!has("PATH")) {
    variables.emplace_back(uid == 0 ? "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                                    : "PATH=/usr/local/bin:/usr/bin:/bin");
  }
  if (!has("USER")) variables.push_back("USER=" + (spec.user.empty() ? "root" : spec.user));
  return variables;
}

json::object make_process(const ProcessInput& input, const Options& options, const Host& host) {
  const ResolvedUser& user = input.user;
  json::object user_json{{"uid", user.uid}, {"gid", user.gid}, {"umask", 022}};
  if (!user.additional_gids.empty()) {
    user_json["additionalGids"] = json::array(user.additional_gids.begin(), user.additional_gids.end());
  }
  auto variables = process_environment(input.container_env, input.spec, user.uid);
  const bool has_home =
      std::any_of(variables.begin(), variables.end(), [](const auto& v) { return v.rfind("HOME=", 0) == 0; });
  if (!has_home) variables.push_back("HOME=" + user.home);
  std::vector<std::string> args = input.spec.args;
  args.insert(args.begin(), input.spec.path);
  json::object process{{"user", std::move(user_json)},
                       {"args", to_array(args)},
                       {"env", to_array(variables)},
                       {"cwd", input.directory},
                       {"terminal", input.spec.tty.has_value()},
                       {"rlimits", rlimits_of(input.spec.rlimits, host)}};
  if (input.spec.tty) {
    const api::WindowSize size = input.spec.tty->window_size.value_or(api::WindowSize{});
    process["consoleSize"] = {{"width", size.columns}, {"height", size.rows}};
  }
  add_security(process, input.privileged, user.uid == 0, false, options, host);
  return process;
}

}  // namespace rivera::garden
