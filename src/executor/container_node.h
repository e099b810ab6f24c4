// One container's life: made, run, ended, destroyed; or found again after a restart (docs/spec/cell.md §2.8 to §2.16).
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
  std::int64_t max_log_lines_per_second = 0;
  std::string healthcheck_path;                  // host directory with the check program; empty: not mounted
  std::string trusted_system_certificates_path;  // host directory; empty: none
  std::string volume_mounted_files_path;         // host directory; empty: none
  std::chrono::nanoseconds garden_patience = std::chrono::minutes(5);   // for Garden to come back during a creation
  std::chrono::nanoseconds destroy_patience = std::chrono::minutes(2);  // the same for a destruction
};

// What all containers share. Everything outlives them.
struct NodeServices {
  asio::any_io_executor executor;
  base::WorkerPool& workers;
  ContainerBackend& backend;
  StateStore& store;
  CachedDownloader& downloader;
  Uploader& uploader;
  AppLogSink& log_sink;
  const base::Clock& clock;
  base::Metrics& metrics;
  Limiter& creations;
  Limiter& destructions;
  Limiter& downloads;
  Limiter& uploads;
  Limiter& checks;
  const std::map<std::string, std::uint64_t>& rootfs_sizes;  // bytes, by rootfs
  std::function<void(ContainerEvent)> on_event;
};

// Lives on the executor's strand, owned by the Executor. Its public functions may be called in any state.
class ContainerNode {
 public:
  // A reservation.
  ContainerNode(NodeServices& services, const NodeOptions& options, Container container, base::Logger logger);
  ~ContainerNode();

  const Container& container() const { return container_; }

  // Makes and runs the container. Throws InvalidStateTransition unless it is reserved.
  void start(RunRequest request);
  // Goes on with a container that was made before a restart; `exists`: Garden has it. One that is missing, but was
  // there before, has ended.
  void adopt(StoredContainer stored, bool exists);

  // Asks for the end and returns at once. The container completes, and stays until it is destroyed.
  void stop();
  // Ends the container without its help: it has gone, or nobody claimed it. Nothing if it has completed already.
  void complete_failed(std::string reason);
  void update(const ContainerUpdate& update);

  // Ends whatever runs, waits for it, and takes the container away. Later callers wait for the first.
  // Throws if Garden cannot destroy it: it may be tried again.
  asio::awaitable<void> destroy();

  // Lets go of the container, which goes on by itself.
  asio::awaitable<void> detach();

  // A line of the cell's own in the owner's log; nothing before the container is started.
  void say(const std::string& text, bool is_error = false);

  // The first file of `path` in the container, at most `limit` bytes. Throws std::length_error above that.
  asio::awaitable<std::string> read_file(std::string path, std::size_t limit);

 private:
  asio::awaitable<void> live();
  asio::awaitable<void> make_container();
  asio::awaitable<void> run_steps();
  asio::awaitable<void> create_in_garden(garden::ContainerSpec spec);
  asio::awaitable<garden::ContainerInfo> info_of_new();
  asio::awaitable<void> destroy_in_garden();
  asio::awaitable<void> destroy_once();
  asio::awaitable<void> interrupt_when_ready();

  garden::ContainerSpec spec_with(std::vector<garden::BindMount> mounts) const;

  // Mounts. Each throws CreationFailed with the reason that is shown.
  asio::awaitable<std::vector<garden::BindMount>> prepare_mounts();
  asio::awaitable<std::vector<garden::BindMount>> fetch_dependencies();
  asio::awaitable<void> fetch_dependency(std::size_t index);
  asio::awaitable<std::vector<garden::BindMount>> write_mounted_files();
  std::vector<garden::BindMount> fixed_mounts() const;
  std::filesystem::path mounted_files_directory() const;

  void begin_life();
  void mark_running();
  void set_routable(bool routable);
  void complete(RunResult result);
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

  base::TaskGroup tasks_;   // everything the steps do
  base::TaskGroup upkeep_;  // the life itself, and saving
  base::Condition changed_;
  Interrupt creation_;  // raised by stop() while the container is being made
  std::unique_ptr<AppLog> log_;
  std::unique_ptr<StepJournal> journal_;
  std::unique_ptr<StepEnvironment> environment_;
  StepPtr steps_;
  std::vector<std::optional<FetchedDirectory>> fetched_;
  std::size_t fetches_running_ = 0;
  std::string fetch_failure_;

  bool living_ = false;
  bool resumed_ = false;
  bool resumed_running_ = false;
  bool destroying_ = false;
  bool destroyed_ = false;
};

}  // namespace rivera::executor
