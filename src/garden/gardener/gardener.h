// The containers of this host: creates, finds and destroys them, and answers questions about them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "clients/garden/garden_types.h"
#include "garden/container/journal.h"
#include "garden/gardener/parts.h"
#include "garden/host/context.h"
#include "garden/host/tag_lock.h"
#include "garden/runtime/processes.h"

namespace rivera::garden {

// Drives the parts of each container (container/part.h). In order: user namespace, image, control groups, network,
// runtime; destroyed in reverse. The Gardener itself knows handles, properties, grace times and what is in progress.
//
// One object per server, on one executor that runs one thing at a time; every function is called there. What blocks
// runs on worker threads, except for the constructor. Containers outlive the Gardener: stop() leaves them as they are,
// and start() of the next one finds them (docs/architecture.md §1, decision 4). The journal in each container's
// state.json says which operation was in progress and which parts had begun, so that start() finishes or undoes it.
class Gardener {
 public:
  // Called before and after each step of a create or destroy, with its name ("prepare images", "prepare images done"):
  // for tests that end the process there, or throw to make the step fail.
  using StepObserver = std::function<void(const std::string& step)>;

  // Takes the lock on the state directory; waits up to 10 s for it. Throws std::runtime_error if another garden holds
  // it.
  Gardener(asio::any_io_executor executor, base::WorkerPool& workers, Options options, base::Logger logger,
           StepObserver observer = {});
  ~Gardener();

  // Finds the containers of earlier servers and sets up the host. Containers that cannot be kept are destroyed in the
  // background.
  asio::awaitable<void> start();
  // Ends background work. Containers stay.
  asio::awaitable<void> stop();
  // Instead of start(): destroys every container and removes all that garden made on this host. Throws if something
  // stays.
  asio::awaitable<void> remove_everything();

  // Every function below throws clients::garden::GardenError or one of its kinds; ContainerNotFoundError for an unknown
  // handle.

  asio::awaitable<clients::garden::Capacity> capacity();
  struct Counts {
    std::size_t containers = 0;
    std::size_t undestroyable = 0;        // their destruction failed and is tried again
    double oldest_operation_seconds = 0;  // of a create or destroy in progress
  };
  Counts counts() const;
  std::vector<std::string> list(const clients::garden::PropertyFilter& filter) const;
  asio::awaitable<std::string> create(clients::garden::ContainerSpec spec);
  asio::awaitable<void> destroy(std::string handle);
  // Ends all processes except the first (docs/spec/garden.md §2.12).
  asio::awaitable<void> stop_processes(std::string handle, bool kill);

  asio::awaitable<clients::garden::ContainerInfo> info(std::string handle);
  // Of a container, or of a process with an image of its own by its id.
  asio::awaitable<clients::garden::ContainerMetrics> metrics(std::string handle);
  // Of several, some at a time; never throws for one of them. In the order of `handles`.
  template <typename T>
  struct Answer {
    T value;
    std::string error;  // "": none
  };
  asio::awaitable<std::vector<Answer<clients::garden::ContainerInfo>>> bulk_info(std::vector<std::string> handles);
  asio::awaitable<std::vector<Answer<clients::garden::ContainerMetrics>>> bulk_metrics(
      std::vector<std::string> handles);
  clients::garden::Limits limits(const std::string& handle) const;

  asio::awaitable<clients::garden::PortMapping> net_in(std::string handle, clients::garden::NetIn wanted);
  asio::awaitable<void> net_out(std::string handle, std::vector<clients::garden::NetOutRule> rules,
                                Networker::NetOutCall call);

  asio::awaitable<ProcessSession> run(std::string handle, clients::garden::ProcessSpec spec);
  asio::awaitable<ProcessSession> attach(std::string handle, std::string process_id);
  // Called with every exit before it is reported, and without one being reported: lets the parts notice it (§2.15),
  // forgets old processes, and removes in the background what one with an image of its own had. May be called twice.
  asio::awaitable<void> process_ended(ContainerPtr container, std::string process_id, pid_t pid,
                                      bool client_has_status);
  // See Processes::start_transfer().
  asio::awaitable<std::unique_ptr<Child>> start_transfer(std::string handle, std::string mode, std::string user,
                                                         std::string path);

  // nullptr for an unknown handle (§1.12).
  const clients::garden::Properties* properties(const std::string& handle) const;
  std::string property(const std::string& handle, const std::string& key) const;
  asio::awaitable<void> set_property(std::string handle, std::string key, std::string value);
  asio::awaitable<void> remove_property(std::string handle, std::string key);
  asio::awaitable<void> set_grace_time(std::string handle, std::int64_t grace_time_ns);

  // While it lives the container is in use: its grace time does not run (§1.10). Without effect for an unknown handle.
  class Use {
   public:
    explicit Use(ContainerPtr container);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    ContainerPtr container_;
  };
  Use use(const std::string& handle) const;

 private:
  ContainerPtr find(const std::string& handle) const;
  ContainerPtr find_or_null(const std::string& handle) const;
  asio::awaitable<void> save_if_changed(Container& container);
  // For changes that count even if the disk is full.
  asio::awaitable<void> save_or_log(Container& container);
  void at_step(const std::string& step) const;
  // Runs all of `works` side by side and returns when each has ended, with what it threw (null: nothing), in order. If
  // the caller is cancelled they end later: they must hold what they use.
  asio::awaitable<std::vector<std::exception_ptr>> all_at_once(std::vector<asio::awaitable<void>> works);
  template <typename T>
  using Question = asio::awaitable<T> (Gardener::*)(std::string);
  template <typename T>
  asio::awaitable<std::vector<Answer<T>>> ask_for_all(std::vector<std::string> handles, Question<T> question);

  // gardener_create.cc
  ContainerPtr admit(clients::garden::ContainerSpec& spec);
  asio::awaitable<void> build(Container& container, const clients::garden::ContainerSpec& spec);
  asio::awaitable<void> prepare_part(ContainerPtr container, std::shared_ptr<const clients::garden::ContainerSpec> spec,
                                     std::shared_ptr<BundleInput> bundle, Part& part);
  asio::awaitable<void> prepare_in_order(ContainerPtr container,
                                         std::shared_ptr<const clients::garden::ContainerSpec> spec,
                                         std::shared_ptr<BundleInput> bundle, std::vector<Part*> parts);
  asio::awaitable<void> launch_part(ContainerPtr container, std::shared_ptr<BundleInput> bundle, Part& part);
  // all_at_once(), and throws the first of the failures.
  asio::awaitable<void> all_or_throw(std::vector<asio::awaitable<void>> works);

  // gardener_destroy.cc
  asio::awaitable<void> tear_down(Container& container);
  asio::awaitable<void> tear_down_part(ContainerPtr container, Part& part);
  asio::awaitable<void> tear_down_peas(Container& container);

  // gardener_start.cc
  asio::awaitable<void> recover_containers();
  asio::awaitable<void> recover(Container& container, std::string text);
  asio::awaitable<void> run_upkeep();
  asio::awaitable<void> destroy_in_background(std::string handle);
  void remove_ended_peas(const ContainerPtr& container);
  asio::awaitable<void> remove_pea(ContainerPtr container, std::string id, std::int64_t created_at_ns);
  asio::awaitable<void> follow(ContainerPtr container);

  ContainerPtr container_of_pea(const std::string& id) const;

  Context context_;
  StepObserver observer_;
  base::UniqueFd lock_;
  TagLock tag_lock_;
  PartList list_;
  Journal journal_;
  Processes processes_;
  Containers containers_;
  base::Condition changed_;  // a container was created or destroyed
  base::TaskGroup background_;
};

}  // namespace rivera::garden
