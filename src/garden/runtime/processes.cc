#include "garden/runtime/processes.h"

#include <algorithm>
#include <csignal>
#include <filesystem>

#include <boost/json/serialize.hpp>

#include "base/check.h"
#include "base/ids.h"
#include "base/on_exit.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "garden/bundle/bundle.h"
#include "garden/container/failures.h"
#include "garden/runtime/container_root.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace fs = std::filesystem;

namespace {

constexpr auto kStartLimit = std::chrono::minutes(1);
// The status of so many ended processes is remembered for each container.
constexpr std::size_t kEndedLimit = 100;

}  // namespace

// Takes the id, or throws GardenError if it is in use.
asio::awaitable<void> Processes::claim(Container& container, const std::string& id) {
  const std::string directory = container.process_directory(id);
  bool is_free = container.live_processes.emplace(id, 0).second;
  if (is_free) {
    auto make = [directory] {
      std::error_code ec;
      const bool is_new = fs::create_directory(directory, ec);
      if (ec) throw std::system_error(ec, "mkdir " + directory);
      if (is_new) fs::permissions(directory, fs::perms::owner_all);
      return is_new;
    };
    std::exception_ptr failure;
    try {
      is_free = co_await context_.on_worker(std::move(make));
    } catch (...) {
      failure = std::current_exception();
    }
    // Otherwise two processes would share an id, and one would get the exit status of the other.
    const auto claimed = container.live_processes.find(id);
    RIVERA_CHECK(claimed != container.live_processes.end() && claimed->second == 0,
                 "a claimed id is held until it starts");
    if (failure || !is_free) container.live_processes.erase(claimed);
    if (failure) std::rethrow_exception(failure);
  }
  if (!is_free) throw api::GardenError("process ID '" + id + "' already in use");
}

asio::awaitable<ProcessSession> Processes::run(ContainerPtr container, api::ProcessSpec spec) {
  if (spec.image.empty() && !spec.bind_mounts.empty()) {
    throw api::GardenError("Running a process with bind mounts and no image provided is not allowed");
  }
  if (spec.id.empty()) spec.id = base::new_guid();
  check_name("process ID", spec.id);
  ProcessSession session;
  session.container = container;
  session.id = spec.id;
  // One with an image of its own that has ended with this id may still be being removed.
  const bool is_left = container->record.peas.contains(spec.id) && !container->live_processes.contains(spec.id);
  if (is_left) {
    const auto created_at_ns = container->record.peas.at(spec.id).created_at_ns;
    co_await peas_.clean_up(container, spec.id, created_at_ns);
  }
  co_await claim(*container, spec.id);
  if (!spec.image.empty()) peas_.begin(spec.id);
  const base::OnExit begun([this, id = spec.id] { peas_.end(id); });
  context_.logger.info("run.start", {{"handle", container->record.handle},
                                     {"process", session.id},
                                     {"path", spec.path},
                                     {"user", spec.user},
                                     {"image", spec.image.uri}});
  std::exception_ptr failure;
  try {
    co_await launch(session, spec);
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return session;
  co_await undo_launch(session);
  if (spec.image.empty()) std::rethrow_exception(failure);
  // Upstream's form, in which the kind of the error is lost.
  Failures failures;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failures.add(e.what());
  }
  throw api::GardenError(failures.text());
}

asio::awaitable<void> Processes::undo_launch(ProcessSession& session) {
  const ContainerPtr container = session.container;
  try {
    co_await peas_.undo(container, session.id);
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    // The upkeep tries again.
    context_.logger.error("run.cleanup-failed", {{"handle", container->record.handle}, {"error", e.what()}});
  }
  auto remove = [directory = container->process_directory(session.id)] {
    std::error_code ignored;
    fs::remove_all(directory, ignored);
  };
  co_await context_.on_worker(std::move(remove));
  container->live_processes.erase(session.id);
  container->early_ends.erase(session.id);
}

void Processes::started(ProcessSession& session, std::string_view payload) {
  RIVERA_CHECK(session.pid == 0 && session.shim != nullptr, "a process starts once, in its session");
  session.pid = static_cast<pid_t>(shim::PayloadReader(payload).number());
  const auto live = session.container->live_processes.find(session.id);
  if (live != session.container->live_processes.end() && live->second == 0) live->second = session.pid;
  const auto early = session.container->early_ends.find(session.id);
  if (early == session.container->early_ends.end()) return;
  const bool has_ended = early->second == session.pid;
  session.container->early_ends.erase(early);
  const auto follower = followers_->find(session.container.get());
  if (has_ended && follower != followers_->end()) follower->second(session.id, session.pid);
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
  check_ids_are_mapped(container.mapping, input.user);
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
  const Runtime& runtime = runtimes_.named(container->runtime);
  const std::string directory = container->process_directory(session.id);
  shim::LaunchRequest request;
  request.id = session.id;
  request.pid_file = directory + "/pidfile";
  request.exit_file = directory + "/exitcode";
  request.is_sealed = runtime.runs_sealed();
  if (spec.tty) {
    const api::WindowSize size = spec.tty->window_size.value_or(api::WindowSize{});
    request.columns = size.columns, request.rows = size.rows;
    request.console_socket = "console-" + std::to_string(next_console_++) + ".sock";
  }
  Runtime::Start start{container->runtime_id, directory, request.pid_file, directory + "/runtime.log",
                       request.console_socket};
  // They hold the environment, including any secrets.
  const std::vector<std::string> secret_files{directory + "/process.json", directory + "/config.json"};
  PreparedPea pea;
  if (spec.image.empty()) {
    auto write = [this, container, &spec, directory] { return write_process(*container, spec, directory); };
    const std::string process_file = co_await context_.on_worker(std::move(write));
    request.command = runtime.exec_command(start, process_file);
  } else {
    pea = co_await peas_.prepare(container, spec, start);
    request.command = pea.command;
  }
  session.shim = co_await ShimConnection::connect(context_, *container);
  auto answer =
      co_await session.shim->exchange(shim::FrameType::kLaunch, request.encode(), kStartLimit, "starting process");
  const bool has_started = answer && answer->type == shim::FrameType::kStarted;
  const std::string started_pea = has_started ? pea.runtime_id : "";
  auto finish = [secret_files, log = start.log, has_started, &runtime, started_pea] {
    if (!started_pea.empty()) runtime.has_started(started_pea);
    std::error_code ignored;
    for (const auto& file : secret_files) fs::remove(file, ignored);
    std::string error = has_started ? "" : last_error_of_log(log);
    if (has_started) fs::remove(log, ignored);
    return error;
  };
  const std::string error = co_await context_.on_worker(std::move(finish));
  if (!answer) throw ShimGone("the container's shim has exited");
  if (has_started) {
    started(session, answer->payload);
    co_return;
  }
  const auto status = static_cast<int>(shim::PayloadReader(answer->payload).number());
  throw_runtime_failure(runtime.name() + (spec.image.empty() ? " exec" : " run"), status, error);
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
    auto shim = co_await ShimConnection::connect(context_, *container);
    auto answer = co_await shim->exchange(shim::FrameType::kAttach, process_id, kStartLimit, "attaching to process");
    if (answer && answer->type == shim::FrameType::kStarted) {
      session.pid = static_cast<pid_t>(shim::PayloadReader(answer->payload).number());
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

asio::awaitable<void> Processes::follow(ContainerPtr container, Ended ended) {
  const auto shim = co_await ShimConnection::connect(context_, *container);
  co_await shim->send(shim::FrameType::kFollow, "");
  (*followers_)[container.get()] = ended;
  const base::OnExit leave([followers = followers_, key = container.get()] { followers->erase(key); });
  for (;;) {
    const auto frame = co_await shim->receive();
    if (!frame) co_return;
    if (frame->type != shim::FrameType::kEnded) continue;
    shim::PayloadReader payload(frame->payload);
    const std::string id = payload.text();
    const auto pid = static_cast<pid_t>(payload.number());
    const auto live = container->live_processes.find(id);
    if (live == container->live_processes.end()) continue;
    if (live->second == 0) {
      container->early_ends[id] = pid;
    } else if (live->second == pid || live->second == Container::kAnyPid) {
      ended(id, pid);
    }
  }
}

asio::awaitable<bool> Processes::forget(ContainerPtr container, std::string process_id, pid_t pid,
                                        bool client_has_status) {
  const auto live = container->live_processes.find(process_id);
  const bool is_this = pid != 0 && live != container->live_processes.end() &&
                       (live->second == pid || live->second == Container::kAnyPid);
  auto& ended = container->ended_processes;
  if (is_this) {
    container->live_processes.erase(live);
    ended.push_back(process_id);
  }
  std::vector<std::string> directories;
  if (client_has_status && context_.options.cleanup_process_dirs_on_wait && std::erase(ended, process_id) > 0) {
    directories.push_back(container->process_directory(process_id));
  }
  while (ended.size() > kEndedLimit) {
    directories.push_back(container->process_directory(ended.front()));
    ended.erase(ended.begin());
  }
  auto remove = [directories] {
    std::error_code ignored;
    for (const auto& directory : directories) fs::remove_all(directory, ignored);
  };
  if (!directories.empty()) co_await context_.on_worker(std::move(remove));
  co_return is_this;
}

asio::awaitable<std::unique_ptr<Child>> Processes::start_transfer(ContainerPtr container, std::string mode,
                                                                  std::string user, std::string path) {
  if (has_ended(container->init)) throw api::GardenError(mode + ": pid not found for container");
  std::vector<std::string> command{context_.options.shim_bin, mode, user, path};
  // It writes for the container: what that costs counts as the container's.
  for (auto& directory : container->cgroups.accounting_directories()) command.push_back(std::move(directory));
  auto start = [this, command, container] {
    return std::make_unique<Child>(context_.executor, command, container->init.get());
  };
  auto child = co_await context_.on_worker(std::move(start));
  co_return child;
}

}  // namespace rivera::garden
