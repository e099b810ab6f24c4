// How the gardener starts processes and joins them (docs/spec/garden.md §2.13).
#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>

#include "base/ids.h"
#include "garden/gardener/gardener.h"
#include "garden/runtime/bundle.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

constexpr auto kStartLimit = std::chrono::minutes(1);
// How many ended processes' status is remembered per container.
constexpr std::size_t kEndedLimit = 100;

bool has_ended(const base::UniqueFd& pidfd) {
  pollfd ended{pidfd.get(), POLLIN, 0};
  return !pidfd || ::poll(&ended, 1, 0) > 0;
}

// The container's root directory as its processes see it.
base::UniqueFd open_root(const Container& container) {
  const std::string path = "/proc/" + std::to_string(container.record.init_pid) + "/root";
  base::UniqueFd root(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  // Asked after the opening, so that the number cannot have changed hands in between.
  if (has_ended(container.init)) throw api::GardenError("the container's first process has ended");
  if (!root) throw std::system_error(errno, std::generic_category(), "open the container's root");
  return root;
}

}  // namespace

asio::awaitable<ProcessSession> Gardener::run(std::string handle, api::ProcessSpec spec) {
  ProcessSession session;
  session.container = find(handle);
  Container& container = *session.container;
  if (!spec.image.empty()) throw api::GardenError("processes with an image of their own are not supported");
  if (!spec.bind_mounts.empty()) {
    throw api::GardenError("Running a process with bind mounts and no image provided is not allowed");
  }
  session.id = spec.id.empty() ? base::new_guid() : spec.id;
  check_name("process ID", session.id);
  const std::string directory = container.process_directory(session.id);
  if (container.live_processes.contains(session.id) || fs::exists(directory)) {
    throw api::GardenError("process ID '" + session.id + "' already in use");
  }
  container.live_processes.insert(session.id);
  logger_.info("run.start", {{"handle", handle}, {"process", session.id}, {"path", spec.path}, {"user", spec.user}});
  std::exception_ptr failure;
  try {
    co_await launch(session, spec);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    container.live_processes.erase(session.id);
    std::error_code ignored;
    fs::remove_all(directory, ignored);
    std::rethrow_exception(failure);
  }
  co_return session;
}

// Writes process.json. Blocks.
std::string Gardener::write_process(const Container& container, const api::ProcessSpec& spec,
                                    const std::string& directory) const {
  fs::create_directory(directory);
  fs::permissions(directory, fs::perms::owner_all);
  const auto root = open_root(container);
  ProcessInput input;
  input.spec = spec;
  input.container_env = container.record.env;
  input.privileged = container.record.privileged;
  input.user = resolve_user(spec.user, read_file_in_root(root.get(), "/etc/passwd"),
                            read_file_in_root(root.get(), "/etc/group"));
  input.directory = spec.dir.empty() ? input.user.home : spec.dir;
  if (input.directory[0] != '/') input.directory = "/" + input.directory;
  const IdMapping mapping = input.privileged ? IdMapping{} : mapping_;
  make_directories_in_root(root.get(), input.directory, mapping.host_uid(input.user.uid),
                           mapping.host_gid(input.user.gid));
  std::string file = directory + "/process.json";
  base::write_file_atomically(file, boost::json::serialize(make_process(input, options_, host_)), 0600);
  return file;
}

asio::awaitable<void> Gardener::launch(ProcessSession& session, const api::ProcessSpec& spec) {
  const ContainerPtr container = session.container;
  const std::string directory = container->process_directory(session.id);
  auto write = [this, container, &spec, directory] { return write_process(*container, spec, directory); };
  const std::string process_file = co_await workers_.run(std::move(write));
  const std::string log = directory + "/runtime.log";
  shim::LaunchRequest request;
  request.id = session.id;
  request.pid_file = directory + "/pidfile";
  request.exit_file = directory + "/exitcode";
  if (spec.tty) {
    const api::WindowSize size = spec.tty->window_size.value_or(api::WindowSize{});
    request.columns = size.columns, request.rows = size.rows;
    request.console_socket = "console-" + std::to_string(next_network_++) + ".sock";
  }
  request.command =
      runtime_->exec_command(container->record.runtime_id, process_file, request.pid_file, log, request.console_socket);

  session.shim = co_await ShimConnection::connect(container->directory);
  co_await session.shim->send(shim::FrameType::kLaunch, request.encode());
  auto answer = co_await base::within(kStartLimit, "starting process", session.shim->receive());
  // It holds the environment, with what secrets that has.
  std::error_code ignored;
  fs::remove(process_file, ignored);
  if (!answer) throw ShimGone("the container's shim is gone");
  if (answer->type != shim::FrameType::kStarted) {
    const auto status = static_cast<int>(shim::PayloadReader(answer->payload).number());
    throw_runtime_failure(runtime_->name() + " exec", status, last_error_of_log(log));
  }
  fs::remove(log, ignored);
}

asio::awaitable<ProcessSession> Gardener::attach(std::string handle, std::string process_id) {
  ProcessSession session;
  session.container = find(handle);
  session.id = process_id;
  check_name("process ID", process_id);
  const std::string directory = session.container->process_directory(process_id);
  if (!fs::exists(directory)) throw api::ProcessNotFoundError(process_id);
  std::string failure;
  try {
    auto shim = co_await ShimConnection::connect(session.container->directory);
    co_await shim->send(shim::FrameType::kAttach, process_id);
    auto answer = co_await base::within(kStartLimit, "attaching to process", shim->receive());
    if (answer && answer->type == shim::FrameType::kStarted) {
      session.shim = std::move(shim);
      co_return session;
    }
  } catch (const ShimGone& e) {
    failure = e.what();
  }
  const std::string exit_file = directory + "/exitcode";
  if (!fs::exists(exit_file)) {
    throw api::GardenError("could not find the exitcode file for the process: " + process_id +
                           (failure.empty() ? "" : " (" + failure + ")"));
  }
  const std::string text = base::read_file(exit_file);
  if (text.empty()) throw api::GardenError("the exitcode file is empty");
  session.exit_status = std::stoi(text);
  co_return session;
}

void Gardener::note_exit(Container& container, const std::string& process_id) {
  const std::uint64_t kills = container.cgroups.paths().empty() ? 0 : container.cgroups.oom_kills();
  if (kills > container.record.oom_kills) {
    container.record.oom_kills = kills;
    std::string& events = container.record.properties[kEventsProperty];
    events += (events.empty() ? "" : ",") + std::string("Out of memory");
    if (find_or_null(container.record.handle).get() == &container) save(container);
  }
  if (container.live_processes.erase(process_id) == 0) return;
  container.ended_processes.push_back(process_id);
  const std::size_t keep = options_.cleanup_process_dirs_on_wait ? 0 : kEndedLimit;
  while (container.ended_processes.size() > keep) {
    std::error_code ignored;
    fs::remove_all(container.process_directory(container.ended_processes.front()), ignored);
    container.ended_processes.erase(container.ended_processes.begin());
  }
}

std::unique_ptr<Child> Gardener::start_transfer(asio::any_io_executor executor, const std::string& handle,
                                                const std::string& mode, const std::string& user,
                                                const std::string& path) {
  const ContainerPtr container = find(handle);
  if (has_ended(container->init)) throw api::GardenError(mode + ": pid not found for container");
  return std::make_unique<Child>(executor, std::vector<std::string>{options_.shim_bin, mode, user, path},
                                 container->init.get());
}

}  // namespace rivera::garden
