// The processes that clients start in containers (docs/spec/garden.md §2.13).
#pragma once

#include <memory>
#include <string>

#include "garden/container/container.h"
#include "garden/host/child.h"
#include "garden/host/context.h"
#include "garden/runtime/runtime.h"
#include "garden/runtime/shim_connection.h"

namespace rivera::garden {

// A process of a container, and our session with the shim about it.
struct ProcessSession {
  ContainerPtr container;
  std::string id;
  std::unique_ptr<ShimConnection> shim;  // none if the process has ended and only its status is left
  int exit_status = 0;                   // if there is no session
};

// Starts processes, joins them, signals them. Every function throws clients::garden::GardenError or one of its kinds.
class Processes {
 public:
  explicit Processes(const Context& context) : context_(context), runtime_(make_oci_runtime(context.options)) {}

  asio::awaitable<ProcessSession> run(ContainerPtr container, clients::garden::ProcessSpec spec);
  asio::awaitable<ProcessSession> attach(ContainerPtr container, std::string process_id);
  // Ends all processes but the first (§2.12): SIGTERM for up to 10 s unless `kill`, then SIGKILL for up to 10 s.
  asio::awaitable<void> stop(ContainerPtr container, bool kill);
  // Deletes the files of the processes that ended longest ago, except for the last 100.
  asio::awaitable<void> forget(ContainerPtr container, std::string process_id);
  // A helper that reads a tar stream into the container, or writes one from it (§1.9). `mode`: "stream-in" or
  // "stream-out".
  asio::awaitable<std::unique_ptr<Child>> start_transfer(ContainerPtr container, std::string mode, std::string user,
                                                         std::string path);

 private:
  asio::awaitable<void> launch(ProcessSession& session, const clients::garden::ProcessSpec& spec);
  std::string write_process(const Container& container, const clients::garden::ProcessSpec& spec,
                            const std::string& directory) const;

  const Context& context_;
  std::unique_ptr<Runtime> runtime_;
  std::uint64_t next_console_ = 0;
};

}  // namespace rivera::garden
