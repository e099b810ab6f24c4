#include "garden/runtime/runtime_part.h"

#include <csignal>
#include <filesystem>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include "base/work/wait.h"
#include "garden/runtime/shim_connection.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

constexpr auto kLaunchLimit = std::chrono::minutes(2);
constexpr auto kKillLimit = std::chrono::seconds(20);
constexpr auto kStatusLimit = std::chrono::seconds(10);

// Throws GardenError if they are still there after 10 s. Blocks.
void kill_by_cgroup(const Cgroups& cgroups) {
  if (cgroups.paths().empty()) return;
  for (int attempt = 0; attempt < 200; ++attempt) {
    const auto pids = cgroups.processes();
    if (pids.empty()) return;
    cgroups.signal(pids, SIGKILL);
    ::usleep(50'000);
  }
  throw api::GardenError("the container's processes do not end");
}

struct FirstProcess {
  base::UniqueFd pidfd;
  std::uint64_t start_time = 0;
  std::string boot_id;
};

FirstProcess look_up(pid_t pid) {
  FirstProcess process;
  process.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  process.start_time = process_start_time(pid);
  process.boot_id = boot_id();
  return process;
}

std::vector<std::string> directories_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.push_back(entry.path().filename());
  return names;
}

}  // namespace

asio::awaitable<void> RuntimePart::check(Container&, const api::ContainerSpec& spec) {
  auto look = [&spec] {
    for (const auto& mount : spec.bind_mounts) {
      if (!fs::exists(mount.src_path)) throw api::GardenError("bind mount source does not exist: " + mount.src_path);
    }
  };
  if (!spec.bind_mounts.empty()) co_await context_.on_worker(std::move(look));
}

void RuntimePart::reserve(Container& container, const api::ContainerSpec& spec) {
  container.runtime = runtimes_.preferred();
  container.runtime_id = runtimes_.named(container.runtime).id_of(spec.handle);
}

asio::awaitable<void> RuntimePart::prepare(Container& container, const api::ContainerSpec&, BundleInput& bundle) {
  const Runtime& runtime = runtimes_.named(container.runtime);
  auto write = [this, &bundle, &runtime, directory = container.directory] {
    auto config = make_bundle(bundle, context_.options, context_.host);
    runtime.prepare(config);
    base::write_file_atomically(directory + "/config.json", boost::json::serialize(config), 0600);
  };
  co_await context_.on_worker(std::move(write));
}

asio::awaitable<void> RuntimePart::launch(Container& container) {
  const Runtime& runtime = runtimes_.named(container.runtime);
  const std::string log = container.directory + "/runtime.log";
  shim::LaunchRequest request;
  request.pid_file = container.directory + "/pidfile";
  request.exit_file = container.directory + "/exitcode";
  request.is_sealed = runtime.runs_sealed();
  request.command = runtime.run_command({container.runtime_id, container.directory, request.pid_file, log, ""});
  const auto shim = co_await ShimConnection::connect(context_, container);
  auto answer =
      co_await shim->exchange(shim::FrameType::kLaunch, request.encode(), kLaunchLimit, "starting the container");
  if (!answer) throw ShimGone("the container's shim has exited");
  const auto number = shim::PayloadReader(answer->payload).number();
  if (answer->type != shim::FrameType::kStarted) {
    auto read = [log] { return last_error_of_log(log); };
    const std::string error = co_await context_.on_worker(std::move(read));
    throw_runtime_failure(runtime.name() + " run", static_cast<int>(number), error);
  }
  const auto pid = static_cast<pid_t>(number);
  if (pid == 0) throw api::GardenError("container init PID was 0");
  auto look = [pid, &runtime, id = container.runtime_id] {
    FirstProcess found = look_up(pid);
    runtime.has_started(id);
    return found;
  };
  FirstProcess process = co_await context_.on_worker(std::move(look));
  if (!process.pidfd) throw api::GardenError("the container's first process ended at once");
  container.init_pid = pid;
  container.init = std::move(process.pidfd);
  container.state<State>() = {process.start_time, process.boot_id};
}

asio::awaitable<void> RuntimePart::cleanup(Container& container) {
  guess_lost_names(container);
  co_await kill_processes(container);
  auto remove = [&runtime = runtimes_.named(container.runtime), id = container.runtime_id] { runtime.remove(id); };
  co_await context_.on_worker(std::move(remove));
}

// Of a container whose record is lost.
void RuntimePart::guess_lost_names(Container& container) const {
  if (container.runtime.empty()) container.runtime = runtimes_.preferred();
  if (container.runtime_id.empty()) {
    container.runtime_id = runtimes_.named(container.runtime).id_of(container.record.handle);
  }
}

asio::awaitable<void> RuntimePart::cleanup_pea(Container& container, const Pea& pea) {
  auto remove = [&runtime = runtimes_.named(container.runtime), id = pea.runtime_id] { runtime.remove(id); };
  co_await context_.on_worker(std::move(remove));
}

asio::awaitable<void> RuntimePart::kill_processes(Container& container) const {
  try {
    co_await ask_shim(context_, container, shim::FrameType::kKillAll, kKillLimit);
    co_return;
  } catch (const ShimGone&) {
    // Without their parent the processes are found by their control group.
  }
  auto kill = [cgroups = container.cgroups, group = cgroup_parent(context_.options.tag) + "/" + container.runtime_id] {
    kill_by_cgroup(cgroups);
    if (!cgroups.paths().empty()) return;
    // The record is lost, and with it the runtime that made them.
    for (const bool is_below_own_group : {true, false}) kill_by_cgroup(Cgroups::expected(group, is_below_own_group));
  };
  co_await context_.on_worker(std::move(kill));
}

boost::json::object RuntimePart::state(const Container& container) const {
  if (container.runtime_id.empty()) return {};
  boost::json::object state{{"id", container.runtime_id}, {"program", container.runtime}, {"pid", container.init_pid}};
  if (const auto* process = container.find_state<State>()) {
    state["start_time"] = process->start_time;
    state["boot_id"] = process->boot_id;
  }
  return state;
}

asio::awaitable<void> RuntimePart::recover(Container& container, const boost::json::object& state) {
  if (!state.contains("id")) co_return;
  container.runtime_id = boost::json::value_to<std::string>(state.at("id"));
  const auto* program = state.if_contains("program");
  container.runtime =
      program == nullptr ? "runc" : boost::json::value_to<std::string>(*program);  // of earlier releases
  container.init_pid = state.at("pid").to_number<pid_t>();
  if (!state.contains("boot_id")) co_return;
  auto& known = container.state<State>();
  known.start_time = state.at("start_time").to_number<std::uint64_t>();
  known.boot_id = boost::json::value_to<std::string>(state.at("boot_id"));
  if (container.record.operation != Operation::kNone) co_return;
  auto look = [pid = container.init_pid] { return look_up(pid); };
  FirstProcess process = co_await context_.on_worker(std::move(look));
  if (process.boot_id != known.boot_id) throw std::runtime_error("the container ran before the host was booted");
  if (process.start_time == known.start_time) container.init = std::move(process.pidfd);
  co_await find_processes(container);
}

// Throws without a shim: nothing else knows how the container's processes end. A first process that has ended is no
// error: the other processes have ended with it, and the shim knows how.
asio::awaitable<void> RuntimePart::find_processes(Container& container) const {
  const auto answer = co_await ask_shim(context_, container, shim::FrameType::kStatus, kStatusLimit);
  const auto status = shim::StatusReply::decode(answer.payload);
  if (status.version != shim::kProtocolVersion) throw std::runtime_error("the container's shim is of another version");
  for (const auto& process : status.processes) {
    if (process.id.empty() || process.has_exited) continue;
    container.live_processes[process.id] = process.pid == 0 ? Container::kAnyPid : static_cast<pid_t>(process.pid);
  }
  auto list = [directory = container.directory + "/processes"] { return directories_in(directory); };
  const auto ids = co_await context_.on_worker(std::move(list));
  for (const auto& id : ids) {
    if (!container.live_processes.contains(id)) container.ended_processes.push_back(id);
  }
}

}  // namespace rivera::garden
