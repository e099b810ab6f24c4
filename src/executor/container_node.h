// The lifecycle of one container: created, run, completed, destroyed; or resumed after a restart (docs/spec/cell.md
// §2.8 to §2.16).
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"
#include "executor/assets/cached_downloader.h"
#include "executor/assets/uploader.h"
#include "executor/container/container.h"
#include "executor/container/container_spec.h"
#include "executor/container/state_store.h"
#include "executor/garden/container_backend.h"
#include "executor/identity/credential_keeper.h"
#include "executor/logs/app_log.h"
#include "executor/steps/interrupt.h"
#include "executor/steps/limiter.h"
#include "executor/steps/step.h"
#include "executor/steps/step_environment.h"

namespace rivera::executor {

struct NodeOptions {
  std::string cell_id;
  ContainerSpecOptions spec;
  StepSettings steps;
  ProxyOptions proxy;
  std::int64_t max_log_lines_per_second = 0;
  std::string healthcheck_path;                  // host directory of the check program; empty: not mounted
  std::string trusted_system_certificates_path;  // host directory; empty: none
  std::string volume_mounted_files_path;         // host directory; empty: none
  // How long a creation or a destruction waits for a Garden that does not answer.
  std::chrono::nanoseconds create_patience = std::chrono::minutes(5);
  std::chrono::nanoseconds destroy_patience = std::chrono::minutes(2);
};

// How many containers may be in each phase at once.
struct NodeLimits {
  Limiter& creations;
  Limiter& destructions;
  Limiter& checks;
};

// Where containers report what happens.
struct NodeReporting {
  AppLogSink& log_sink;
  base::Metrics& metrics;
  std::function<void(ContainerEvent)> on_event;
};

// What all containers share. Everything it refers to outlives them.
struct NodeServices {  // NOLINT(cppcoreguidelines-pro-type-member-init): those are references
  Runtime runtime;
  ContainerBackend& backend;
  StateStore& store;
  TransferServices transfers;
  NodeLimits limits;
  NodeReporting reporting;
  const std::map<std::string, std::uint64_t>& rootfs_sizes;  // bytes, by root filesystem
  IdentityIssuer* identity = nullptr;                        // null: containers get no certificates
};

// Lives on the executor's strand, owned by the Executor. Its public functions may be called in any state.
//
// Container::state says how far the container itself is. Beside it, `Origin` says whether this process created the
// container, and `Phase` whether its end has been requested here; the coroutine in `life_` runs it from start() or
// adopt() until it completes.
class ContainerNode {
 public:
  // Creates a reservation.
  ContainerNode(NodeServices& services, const NodeOptions& options, Container container, base::Logger logger);
  ~ContainerNode();

  const Container& container() const { return container_; }

  // Creates and runs the container. Throws InvalidStateTransition unless it is reserved.
  void start(RunRequest request);
  // Resumes a container from before a restart. `exists` says whether Garden has it: a created container that Garden
  // does not have completes as lost.
  void adopt(StoredContainer stored, bool exists);

  // Requests the end and returns at once. The container completes, and remains until it is destroyed.
  void stop();
  // Completes the container as failed at once: it is missing, or its reservation has expired. Does nothing if it has
  // completed already.
  void complete_failed(std::string reason);
  void update(const ContainerUpdate& update);

  // Stops the container, waits until it has completed, and destroys it. Concurrent calls share one destruction. Throws
  // ExecutorError if Garden cannot destroy it; the call may then be repeated.
  asio::awaitable<void> destroy();

  // Cancels all work on the container and leaves its processes running.
  asio::awaitable<void> detach();

  // Writes a line of the cell to the container's log. Does nothing before the container is started.
  void write_line(const std::string& text, bool is_error = false);

  // The first file of `path` in the container, as storable_text(). Throws std::length_error if it is longer than
  // `limit` bytes.
  asio::awaitable<std::string> read_file(std::string path, std::size_t limit);

 private:
  // Whether the end of the container has been requested of this process.
  enum class Phase {
    kActive,
    kDestroying,  // destroy() is under way; back to kActive if it fails
    kDestroyed,
    kDetached,
  };

  asio::awaitable<void> live();
  asio::awaitable<void> create_container();
  asio::awaitable<void> run_steps();
  asio::awaitable<void> create_in_garden(garden::ContainerSpec spec);
  asio::awaitable<garden::ContainerInfo> info_after_creation();
  asio::awaitable<void> destroy_in_garden();
  asio::awaitable<bool> destroy_persistently();
  asio::awaitable<void> destroy_once();
  asio::awaitable<void> interrupt_when_ready();

  garden::ContainerSpec spec_with(std::vector<garden::BindMount> mounts) const;

  // Mounts. Each throws CreationFailed with the reason for the container's failure.
  asio::awaitable<std::vector<garden::BindMount>> prepare_mounts();
  asio::awaitable<std::vector<garden::BindMount>> fetch_dependencies();
  asio::awaitable<void> fetch_dependency(std::size_t index);
  asio::awaitable<void> make_credential_directories();
  asio::awaitable<void> write_mounted_files();
  // Those that processes with a root filesystem of their own have too.
  std::vector<garden::BindMount> fixed_mounts() const;
  std::uint64_t rootfs_size() const;
  std::uint64_t disk_limit() const;  // bytes; 0: none
  std::filesystem::path mounted_files_directory() const;

  void start_life();
  void make_credentials();
  asio::awaitable<void> begin_credentials();
  StepContainer step_container() const;
  asio::awaitable<void> end_steps();
  void mark_running();
  void set_routable(bool routable);
  void complete(RunResult result);
  void complete_as_lost();
  void complete_with(const StepResult& result);
  void emit(EventKind kind);
  asio::awaitable<void> save();
  void save_soon();
  ContainerRecord record() const;

  NodeServices& services_;
  const NodeOptions& options_;
  Container container_;
  std::vector<std::string> cached_directories_;
  base::Logger logger_;

  base::TaskGroup life_;        // live(), until the container completes
  base::TaskGroup tasks_;       // the coroutines of its steps
  base::TaskGroup background_;  // saving and updating
  base::Condition changed_;
  Interrupt creation_;  // raised by stop() during the creation
  std::unique_ptr<AppLog> log_;
  std::unique_ptr<CredentialKeeper> credentials_;
  std::unique_ptr<StepJournal> journal_;
  std::unique_ptr<StepEnvironment> environment_;
  StepPtr steps_;
  std::vector<std::optional<FetchedDirectory>> fetched_;
  std::size_t fetches_running_ = 0;
  std::string fetch_failure_;
  bool is_ready_for_traffic_ = false;  // what readiness checks have said, the container running or not

  base::Timestamp creation_begun_at_{};
  Origin origin_ = Origin::kNew;
  Phase phase_ = Phase::kActive;
};

}  // namespace rivera::executor
