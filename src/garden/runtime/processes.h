// The processes that clients start in containers (docs/spec/garden.md §2.13).
#pragma once

#include <memory>
#include <string>

#include "garden/container/container.h"
#include "garden/host/child.h"
#include "garden/host/context.h"
#include "garden/runtime/peas.h"
#include "garden/runtime/runtime.h"
#include "garden/runtime/shim_connection.h"

namespace rivera::garden {

// A process of a container, and our session with the shim about it.
struct ProcessSession {
  ContainerPtr container;
  std::string id;
  std::unique_ptr<ShimConnection> shim;  // none if the process has ended and only its status is left
  pid_t pid = 0;                         // the host's; 0 if there is no session
  int exit_status = 0;                   // if there is no session
};

// Starts processes, joins them, signals them. Every function throws clients::garden::GardenError or one of its kinds.
class Processes {
 public:
  Processes(const Context& context, const Parts& parts, Journal& journal, Peas::StepObserver observer)
      : context_(context),
        runtimes_(context.options, context.host.has_unified_cgroups),
        peas_(context, parts, journal, runtimes_, std::move(observer)) {}

  asio::awaitable<ProcessSession> run(ContainerPtr container, clients::garden::ProcessSpec spec);
  asio::awaitable<ProcessSession> attach(ContainerPtr container, std::string process_id);
  // Ends all processes except the first (§2.12): SIGTERM for up to 10 s unless `kill`, then SIGKILL for up to 10 s.
  asio::awaitable<void> stop(ContainerPtr container, bool kill);
  // Notes that the process `process_id` with that pid (0: unknown) has ended, and deletes the files of those that
  // ended longest ago, except for the last 100; of this one at once if its client has its status and the flags say so.
  // True if the end was not known.
  asio::awaitable<bool> forget(ContainerPtr container, std::string process_id, pid_t pid, bool client_has_status);
  // Calls `ended` for each process of the container that ends, also if no client has joined it. Returns when the
  // container's shim exits. Throws ShimGone if it cannot be reached.
  using Ended = std::function<void(std::string process_id, pid_t pid)>;
  asio::awaitable<void> follow(ContainerPtr container, Ended ended);
  Peas& peas() { return peas_; }
  // A helper that reads a tar stream into the container, or writes one from it (§1.9). `mode`: "stream-in" or
  // "stream-out".
  asio::awaitable<std::unique_ptr<Child>> start_transfer(ContainerPtr container, std::string mode, std::string user,
                                                         std::string path);

 private:
  asio::awaitable<void> claim(Container& container, const std::string& id);
  void started(ProcessSession& session, std::string_view payload);
  asio::awaitable<void> launch(ProcessSession& session, const clients::garden::ProcessSpec& spec);
  asio::awaitable<void> undo_launch(ProcessSession& session);
  std::string write_process(const Container& container, const clients::garden::ProcessSpec& spec,
                            const std::string& directory) const;

  const Context& context_;
  Runtimes runtimes_;
  Peas peas_;
  std::uint64_t next_console_ = 0;
  // Shared with follow(), which may end after this object.
  std::shared_ptr<std::map<const Container*, Ended>> followers_ = std::make_shared<std::map<const Container*, Ended>>();
};

}  // namespace rivera::garden
