#include "garden/bundle/bundle.h"

#include <algorithm>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <boost/json/array.hpp>

#include "garden/bundle/resources.h"
#include "garden/bundle/seccomp_profile.h"

namespace rivera::garden {

namespace json = boost::json;
namespace api = clients::garden;

namespace {

constexpr std::uint64_t kUnprivilegedCapabilities = 0xa80425fb;
constexpr std::uint64_t kPrivilegedCapabilities = 0x3fffffffff;
constexpr std::uint64_t kNonRootCapabilities = 0xa82425fb;
constexpr std::uint64_t kNetRaw = 1ull << 13;
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

// What is in it counts towards the memory limit, and no process that is killed frees it: half of the limit, as the
// kernel's default is half of the machine's memory.
std::vector<std::string> shared_memory_options(const api::MemoryLimits& limits) {
  std::vector<std::string> options{"noexec", "nosuid", "nodev", "mode=1777"};
  constexpr std::uint64_t kMost = 1ull << 50;  // the kernel refuses what does not fit its counters
  if (limits.limit_in_bytes > 0 && limits.limit_in_bytes < kMost) {
    options.push_back("size=" + std::to_string(std::max<std::uint64_t>(limits.limit_in_bytes / 2048, 4)) + "k");
  }
  return options;
}

std::vector<Mount> mounts_of(const BundleInput& input, const Options& options, const Host& host) {
  std::vector<Mount> mounts = {
      {"/sys", "sysfs", "sysfs", {"noexec", "nosuid", "nodev", "ro"}},
      {"/dev", "tmpfs", "tmpfs", {"noexec", "strictatime", "mode=755", "size=65536k"}},
      {"/dev/shm", "tmpfs", "tmpfs", shared_memory_options(input.limits.memory)},
      {"/dev/mqueue", "mqueue", "mqueue", {"noexec", "nosuid", "nodev"}},
      {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "gid=5", "ptmxmode=0666", "mode=0620"}},
  };
  if (!input.is_pea()) mounts.push_back({"/tmp/garden-init", "bind", options.init_bin, {"bind", "ro"}});
  mounts.push_back({"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}});
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
  const bool has_no_raw_sockets = options.no_new_privileges || options.deny_raw_sockets;
  if (has_no_raw_sockets && !privileged) sysctls["net.ipv4.ping_group_range"] = "1 65535";
  return sysctls;
}

// The namespaces of a container are its own, except for the user namespace, which its shim has made. A process with an
// image of its own joins those of its container.
json::array namespaces_of(const BundleInput& input) {
  json::array list;
  for (const char* type : {"network", "pid", "uts", "ipc", "mount", "user"}) {
    const bool is_user = std::string_view(type) == "user";
    if (is_user && input.privileged) continue;
    json::object one{{"type", type}};
    const auto joined = input.joined_namespaces.find(type);
    if (joined != input.joined_namespaces.end()) one["path"] = joined->second;
    list.push_back(std::move(one));
  }
  return list;
}

json::object linux_section(const BundleInput& input, const Options& options, const Host& host) {
  json::object section{{"namespaces", namespaces_of(input)},
                       {"resources", resources_of(input.limits, input.privileged, options, host)},
                       {"rootfsPropagation", "private"}};
  if (!input.is_pea()) section["sysctl"] = sysctls_of(input.privileged, options, host);
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
    section["uidMappings"] = to_json(input.mapping.uids);
    section["gidMappings"] = to_json(input.mapping.gids);
    section["seccomp"] = seccomp_profile(options.restrict_syscalls);
    section["maskedPaths"] =
        json::array{"/proc/kcore",      "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
                    "/proc/timer_list", "/proc/timer_stats",   "/proc/keys",        "/sys/firmware"};
  }
  return section;
}

std::uint64_t process_capabilities(bool privileged, bool for_root, const Options& options, const Host& host) {
  const std::uint64_t mask = container_capabilities(privileged, for_root, host.capabilities);
  return options.deny_raw_sockets && !privileged ? mask & ~kNetRaw : mask;
}

void add_security(json::object& process, bool privileged, bool for_root, bool is_init, const Options& options,
                  const Host& host) {
  process["capabilities"] = capabilities(process_capabilities(privileged, for_root, options, host), is_init);
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
  json::object bundle{{"ociVersion", "1.0.0"},
                      {"root", {{"path", input.root}, {"readonly", false}}},
                      {"mounts", to_json(mounts_of(input, options, host))},
                      {"linux", linux_section(input, options, host)}};
  if (input.is_pea()) {
    bundle["process"] = input.process;
    return bundle;
  }
  json::object process{{"user", {{"uid", 0}, {"gid", 0}}},
                       {"args", json::array{"/tmp/garden-init"}},
                       {"env", json::array{}},
                       {"cwd", "/"},
                       {"terminal", false}};
  add_security(process, input.privileged, true, true, options, host);
  bundle["process"] = std::move(process);
  bundle["hostname"] = host_name_of(input.handle);
  return bundle;
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
