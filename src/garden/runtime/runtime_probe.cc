#include "garden/runtime/runtime_probe.h"

#include <csignal>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "garden/bundle/bundle.h"
#include "garden/runtime/runtime.h"

namespace rivera::garden {

namespace {

// A directory that a container's root, another user, can reach, removed at the end.
class ProbeDirectory {
 public:
  explicit ProbeDirectory(const Options& options) : path_(options.run_dir + "/probe-" + std::to_string(::getpid())) {
    std::filesystem::create_directories(path_ + "/rootfs/tmp");
    ::chmod(options.run_dir.c_str(), 0711);
  }
  ~ProbeDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ProbeDirectory(const ProbeDirectory&) = delete;
  ProbeDirectory& operator=(const ProbeDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void give_to_root_of(const IdMapping& mapping, const std::string& directory) {
  if (::chown(directory.c_str(), mapping.host_uid(0), mapping.host_gid(0)) != 0) {
    throw std::system_error(errno, std::generic_category(), "chown " + directory);
  }
}

}  // namespace

std::string obstacle_to_runtime(const std::string& program, Options options, const Host& host) {
  try {
    const ProbeDirectory directory(options);
    options.run_dir = directory.path();  // its state, too
    const auto runtime = make_oci_runtime(program, options, host.has_unified_cgroups);
    BundleInput bundle;
    bundle.handle = "probe-" + std::to_string(::getpid());
    bundle.root = directory.path() + "/rootfs";
    bundle.mapping = unprivileged_mapping(options, host);
    for (const auto& part : {bundle.root, bundle.root + "/tmp"}) give_to_root_of(bundle.mapping, part);
    const std::string group = cgroup_parent(options.tag) + "/" + bundle.handle;
    bundle.cgroup_path = runtime->cgroup_path(group);
    bundle.limits.memory.limit_in_bytes = 64u << 20;
    bundle.limits.pid.max = 16;
    base::write_file_atomically(directory.path() + "/config.json",
                                boost::json::serialize(make_bundle(bundle, options, host)), 0600);
    Runtime::Start start;
    start.id = bundle.handle, start.bundle = directory.path();
    start.pid_file = directory.path() + "/pidfile", start.log = directory.path() + "/log";
    base::CommandOptions limits;
    limits.timeout = std::chrono::seconds(10);
    const auto result = base::run_command(runtime->run_command(start), limits);
    const Cgroups groups = runtime->cgroups(group);
    groups.signal(groups.processes(), SIGKILL);
    groups.remove();
    groups.remove_empty_parents();  // a server that never has a container leaves nothing
    if (result.ok()) return "";
    const std::string said = last_error_of_log(start.log);
    return said.empty() ? "exit status " + std::to_string(result.exit_status) : said;
  } catch (const std::exception& e) {
    return e.what();
  }
}

RuntimeChoice choose_runtime(const Options& options, const Host& host) {
  const std::string obstacle = obstacle_to_runtime("crun", options, host);
  if (obstacle.empty()) return {"crun", ""};
  return {"runc", "crun does not work here: " + obstacle};
}

}  // namespace rivera::garden
