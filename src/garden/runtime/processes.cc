#include "garden/runtime/processes.h"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>

#include "base/ids.h"
#include "base/work/wait.h"
#include "garden/bundle/bundle.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

constexpr auto kStartLimit = std::chrono::minutes(1);
// The status of so many ended processes is remembered for each container.
constexpr std::size_t kEndedLimit = 100;

bool has_ended(const base::UniqueFd& pidfd) {
  pollfd ended{pidfd.get(), POLLIN, 0};
  return !pidfd || ::poll(&ended, 1, 0) > 0;
}

// The container's root directory as its processes see it. Blocks.
base::UniqueFd open_root(const Container& container) {
  const std::string path = "/proc/" + std::to_string(container.init_pid) + "/root";
  base::UniqueFd root(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  // Checked after the directory is open: until then the number could have come to belong to another process.
  if (has_ended(container.init)) throw api::GardenError("the container's first process has ended");
  if (!root) throw std::system_error(errno, std::generic_category(), "open the container's root");
  return root;
}

}  // namespace

asio::awaitable<ProcessSession> Processes::run(ContainerPtr container, api::ProcessSpec spec) {
  if (!spec.image.empty()) throw api::GardenError("processes with an image of their own are not supported");
  if (!spec.bind_mounts.empty()) {
    throw api::GardenError("Running a process with bind mounts and no image provided is not allowed");
  }
  ProcessSession session;
  session.container = container;
  session.id = spec.id.empty() ? base::new_guid() : spec.id;
  check_name("process ID", session.id);
  const std::string directory = container->process_directory(session.id);
  bool is_free = container->live_processes.insert(session.id).second;
  if (is_free) {
    auto claim = [directory] {
      std::error_code ec;
      const bool is_new = fs::create_directory(directory, ec);
      if (ec) throw std::system_error(ec, "mkdir " + directory);
      if (is_new) fs::permissions(directory, fs::perms::owner_all);
      return is_new;
    };
    is_free = co_await context_.on_worker(std::move(claim));
    if (!is_free) container->live_processes.erase(session.id);
  }
  if (!is_free) throw api::GardenError("process ID '" + session.id + "' already in use");
  context_.logger.info(
      "run.start",
      {{"handle", container->record.handle}, {"process", session.id}, {"path", spec.path}, {"user", spec.user}});
  std::exception_ptr failure;
  try {
    co_await launch(session, spec);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    container->live_processes.erase(session.id);
    auto remove = [directory] {
      std::error_code ignored;
      fs::remove_all(directory, ignored);
    };
    co_await context_.on_worker(std::move(remove));
    std::rethrow_exception(failure);
  }
  co_return session;
}

// Writes process.json. Blocks.
std::string Processes::write_process(const Container& container, const api::ProcessSpec& spec,
                                     const std::string& directory) const {
  const auto root = open_root(container);
  ProcessInput input;
  input.spec = spec;
  input.container_env = container.record.env;
  input.privileged = container.record.privileged;
  input.user = resolve_user(spec.user, read_file_in_root(root.get(), "/etc/passwd"),
                            read_file_in_root(root.get(), "/etc/group"));
  // ".." is resolved as text (§2.13); links are resolved inside the root.
  input.directory = fs::path("/" + (spec.dir.empty() ? input.user.home : spec.dir)).lexically_normal();
  make_directories_in_root(root.get(), input.directory, container.mapping.host_uid(input.user.uid),
                           container.mapping.host_gid(input.user.gid));
  std::string file = directory + "/process.json";
  const auto process = make_process(input, context_.options, context_.host);
  base::write_file_atomically(file, boost::json::serialize(process), 0600);
  return file;
}

asio::awaitable<void> Processes::launch(ProcessSession& session, const api::ProcessSpec& spec) {
  const ContainerPtr container = session.container;
  const std::string directory = container->process_directory(session.id);
  auto write = [this, container, &spec, directory] { return write_process(*container, spec, directory); };
  const std::string process_file = co_await context_.on_worker(std::move(write));
  const std::string log = directory + "/runtime.log";
  shim::LaunchRequest request;
  request.id = session.id;
  request.pid_file = directory + "/pidfile";
  request.exit_file = directory + "/exitcode";
  if (spec.tty) {
    const api::WindowSize size = spec.tty->window_size.value_or(api::WindowSize{});
    request.columns = size.columns, request.rows = size.rows;
    request.console_socket = "console-" + std::to_string(next_console_++) + ".sock";
  }
  request.command =
      runtime_->exec_command(container->runtime_id, process_file, request.pid_file, log, request.console_socket);

  session.shim = co_await ShimConnection::connect(container->directory);
  co_await session.shim->send(shim::FrameType::kLaunch, request.encode());
  auto answer = co_await base::within(kStartLimit, "starting process", session.shim->receive());
  const bool has_started = answer && answer->type == shim::FrameType::kStarted;
  auto finish = [process_file, log, has_started] {
    std::error_code ignored;
    fs::remove(process_file, ignored);  // it holds the environment, including any secrets
    std::string error = has_started ? "" : last_error_of_log(log);
    if (has_started) fs::remove(log, ignored);
    return error;
  };
  const std::string error = co_await context_.on_worker(std::move(finish));
  if (!answer) throw ShimGone("the container's shim has exited");
  if (has_started) co_return;
  const auto status = static_cast<int>(shim::PayloadReader(answer->payload).number());
  throw_runtime_failure(runtime_->name() + " exec", status, error);
}

asio::awaitable<ProcessSession> Processes::attach(ContainerPtr container, std::string process_id) {
  ProcessSession session;
  session.container = container;
  session.id = process_id;
  check_name("process ID", process_id);
  const std::string directory = container->process_directory(process_id);
  auto look = [directory] { return fs::exists(directory); };
  const bool is_known = co_await context_.on_worker(std::move(look));
  if (!is_known) throw api::ProcessNotFoundError(process_id);
  std::string failure;
  try {
    auto shim = co_await ShimConnection::connect(container->directory);
    co_await shim->send(shim::FrameType::kAttach, process_id);
    auto answer = co_await base::within(kStartLimit, "attaching to process", shim->receive());
    if (answer && answer->type == shim::FrameType::kStarted) {
      session.shim = std::move(shim);
      co_return session;
    }
  } catch (const ShimGone& e) {
    failure = " (" + std::string(e.what()) + ")";
  }
  auto read = [directory, process_id, failure] {
    const std::string exit_file = directory + "/exitcode";
    if (!fs::exists(exit_file)) {
      throw api::GardenError("could not find the exitcode file for the process: " + process_id + failure);
    }
    const std::string text = base::read_file(exit_file);
    if (text.empty()) throw api::GardenError("the exitcode file is empty");
    return std::stoi(text);
  };
  session.exit_status = co_await context_.on_worker(std::move(read));
  co_return session;
}

asio::awaitable<void> Processes::stop(ContainerPtr container, bool kill) {
  constexpr auto kLimit = std::chrono::seconds(10), kSignalInterval = std::chrono::seconds(1);
  constexpr auto kLookInterval = std::chrono::milliseconds(50);
  std::vector<int> signals{SIGKILL};
  if (!kill) signals.insert(signals.begin(), SIGTERM);
  for (const int signal : signals) {
    const auto begun = std::chrono::steady_clock::now();
    auto next_signal = begun;
    for (auto now = begun; now < begun + kLimit; now = std::chrono::steady_clock::now()) {
      const bool is_due = now >= next_signal;
      if (is_due) next_signal = now + kSignalInterval;
      auto look = [cgroups = container->cgroups, init = container->init_pid, signal, is_due] {
        auto pids = cgroups.processes();
        std::erase(pids, init);
        if (is_due) cgroups.signal(pids, signal);
        return !pids.empty();
      };
      const bool are_left = co_await context_.on_worker(std::move(look));
      if (!are_left) co_return;
      co_await base::sleep_for(kLookInterval);
    }
  }
}

asio::awaitable<void> Processes::forget(ContainerPtr container, std::string process_id) {
  if (container->live_processes.erase(process_id) == 0) co_return;
  auto& ended = container->ended_processes;
  ended.push_back(process_id);
  const std::size_t keep = context_.options.cleanup_process_dirs_on_wait ? 0 : kEndedLimit;
  if (ended.size() <= keep) co_return;
  std::vector<std::string> directories;
  const auto first_kept = ended.end() - static_cast<std::ptrdiff_t>(keep);
  for (auto id = ended.begin(); id != first_kept; ++id) directories.push_back(container->process_directory(*id));
  ended.erase(ended.begin(), first_kept);
  auto remove = [directories] {
    std::error_code ignored;
    for (const auto& directory : directories) fs::remove_all(directory, ignored);
  };
  co_await context_.on_worker(std::move(remove));
}

asio::awaitable<std::unique_ptr<Child>> Processes::start_transfer(ContainerPtr container, std::string mode,
                                                                  std::string user, std::string path) {
  if (has_ended(container->init)) throw api::GardenError(mode + ": pid not found for container");
  const std::vector<std::string> command{context_.options.shim_bin, mode, user, path};
  auto start = [this, command, container] {
    return std::make_unique<Child>(context_.executor, command, container->init.get());
  };
  auto child = co_await context_.on_worker(std::move(start));
  co_return child;
}

}  // namespace rivera::garden
