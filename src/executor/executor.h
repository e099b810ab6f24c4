// The containers of a cell.
#pragma once

#include <chrono>
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
#include "base/work/worker_pool.h"
#include "executor/container/container.h"
#include "executor/container/resource_ledger.h"
#include "executor/container_node.h"
#include "executor/garden/container_backend.h"
#include "executor/logs/app_log.h"

namespace rivera::executor {

struct ExecutorOptions {
  NodeOptions node;
  CapacityOptions capacity;
  CachedDownloaderOptions cache;
  AssetTlsOptions asset_tls;
  IdentityOptions identity;
  std::filesystem::path work_directory;   // emptied at start
  std::filesystem::path state_directory;  // kept across restarts
  // False: start() destroys every existing container, as upstream does.
  bool readopt_containers = true;
  std::size_t create_slots = 32;
  std::size_t delete_slots = 32;
  std::size_t healthcheck_slots = 64;
  std::size_t download_slots = 5;
  std::size_t upload_slots = 5;  // not configurable, as upstream (docs/spec/cell.md §3.6)
  std::chrono::nanoseconds reserved_expiration = std::chrono::minutes(1);
  std::chrono::nanoseconds reap_interval = std::chrono::minutes(1);
  std::chrono::nanoseconds ping_interval = std::chrono::seconds(1);
  std::map<std::string, std::string> stacks;  // root filesystems to measure, by name
};

// Allocates, creates, runs, stops and destroys containers, and reports their events (docs/spec/cell.md §2). Containers
// outlive it: a later Executor with the same state directory resumes them.
//
// Lives on one strand. Call start() once, and detach() before its destruction.
class Executor {
 public:
  Executor(asio::any_io_executor executor, base::WorkerPool& workers, ContainerBackend& backend, AppLogSink& log_sink,
           const base::Clock& clock, base::Metrics& metrics, ExecutorOptions options, base::Logger logger);
  ~Executor();

  // Waits for Garden without a limit, determines the capacity, resumes the containers of the state directory, destroys
  // Garden's other containers of this owner, and starts the periodic work. Throws std::invalid_argument for an
  // impossible capacity.
  asio::awaitable<void> start();
  // Cancels all work. Containers keep running.
  asio::awaitable<void> detach();

  // Sets the listener that is called for every event, on the strand. There is one; set it before start().
  void on_event(std::function<void(ContainerEvent)> listener) { listener_ = std::move(listener); }

  // Reserves resources for each request. Returns those that failed.
  std::vector<AllocationFailure> allocate(std::vector<AllocationRequest> requests);

  // Calls `visitor` for every container. The visitor must not add or remove any.
  void visit(const std::function<void(const Container&)>& visitor) const;
  std::optional<Container> get(const std::string& guid) const;
  bool contains(const std::string& guid) const { return nodes_.contains(guid); }
  std::size_t size() const { return nodes_.size(); }

  // These throw ContainerNotFound for an unknown guid.
  void run(RunRequest request);  // throws InvalidStateTransition unless it is reserved
  void stop(const std::string& guid);
  void update(const std::string& guid, const ContainerUpdate& update);
  // Stops the container, waits until it has completed, and destroys it. Throws ExecutorError if Garden cannot.
  asio::awaitable<void> destroy(std::string guid);
  asio::awaitable<std::string> read_file(std::string guid, std::string path, std::size_t limit);
  // Writes a line to the container's log.
  void write_log_line(const std::string& guid, const std::string& line);

  // The size of a root filesystem in bytes; 0 if it was not measured.
  std::uint64_t rootfs_size(const std::string& rootfs) const {
    const auto found = rootfs_sizes_.find(rootfs);
    return found == rootfs_sizes_.end() ? 0 : found->second;
  }

  // The memory in MB that was added for the proxy of the container.
  std::int64_t proxy_memory_mb(const Container& container) const {
    return is_proxied(container.run_info, options_.node.proxy) ? options_.node.proxy.memory_mb : 0;
  }

  Resources total() const { return ledger_.total(); }
  Resources remaining() const { return ledger_.remaining(); }

 private:
  std::shared_ptr<ContainerNode> node(const std::string& guid) const;
  asio::awaitable<void> wait_for_garden();
  // Garden's content at the start.
  struct GardenContent {
    garden::Capacity capacity;
    std::vector<std::string> all_handles;  // of this owner, incomplete ones included
    std::vector<std::string> complete_handles;
  };
  asio::awaitable<GardenContent> ask_garden();
  asio::awaitable<void> recover(const GardenContent& found);
  asio::awaitable<void> destroy_unclaimed(std::vector<std::string> handles);
  asio::awaitable<void> destroy_and_log(std::string handle);
  asio::awaitable<void> measure_stacks();
  asio::awaitable<void> measure(std::string name, std::string path);
  asio::awaitable<void> prune_loop();
  asio::awaitable<void> reap_loop();
  asio::awaitable<void> reap();
  asio::awaitable<bool> is_missing(std::string handle);

  asio::any_io_executor executor_;
  base::WorkerPool& workers_;
  ContainerBackend& backend_;
  const base::Clock& clock_;
  ExecutorOptions options_;
  base::Logger logger_;

  StateStore store_;
  std::unique_ptr<CachedDownloader> downloader_;
  std::unique_ptr<Uploader> uploader_;
  std::unique_ptr<IdentityIssuer> identity_;
  Limiter creations_, destructions_, downloads_, uploads_, checks_;
  std::map<std::string, std::uint64_t> rootfs_sizes_;
  std::function<void(ContainerEvent)> listener_;
  std::unique_ptr<NodeServices> services_;
  ResourceLedger ledger_;
  // Shared with operations in progress, so that a container can leave the map during one.
  std::map<std::string, std::shared_ptr<ContainerNode>> nodes_;
  base::TaskGroup loops_;
};

}  // namespace rivera::executor
