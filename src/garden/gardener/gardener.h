// The containers of this host: makes them, knows them, takes them away.
//
// One object per server, on one executor that runs one thing at a time; everything here is called there. What blocks
// goes to worker threads. The containers outlive it: stop() leaves them as they are and start() finds them again
// (docs/architecture.md §1, decision 4).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"
#include "clients/garden/garden_types.h"
#include "garden/gardener/container.h"
#include "garden/host/child.h"
#include "garden/host/host.h"
#include "garden/host/options.h"
#include "garden/network/port_pool.h"
#include "garden/runtime/runtime.h"
#include "garden/runtime/shim_connection.h"

namespace rivera::garden {

using ContainerPtr = std::shared_ptr<Container>;

// A process of a container and our session with the shim about it.
struct ProcessSession {
  ContainerPtr container;
  std::string id;
  std::unique_ptr<ShimConnection> shim;  // none if the process has ended and only its status is left
  int exit_status = 0;                   // if there is no session
};

class Gardener {
 public:
  // Takes the lock on the state directory. Throws std::runtime_error if another garden has it.
  Gardener(asio::any_io_executor executor, base::WorkerPool& workers, Options options, base::Logger logger);
  ~Gardener();

  // Finds the containers of an earlier life and sets up the host. Those that cannot be kept are destroyed in the
  // background.
  asio::awaitable<void> start();
  // Ends background work. Containers stay.
  asio::awaitable<void> stop();
  // Destroys every container and all that garden has made on this host. Throws if something stays.
  asio::awaitable<void> remove_everything();

  // Every function below throws clients::garden::GardenError or one of its kinds; ContainerNotFoundError for an unknown
  // handle.

  clients::garden::Capacity capacity() const;
  struct Counts {
    std::size_t containers = 0;
    std::size_t undestroyable = 0;        // their destruction has failed and is tried again
    double oldest_operation_seconds = 0;  // of a create or destroy in progress
  };
  Counts counts() const;
  std::vector<std::string> list(const clients::garden::PropertyFilter& filter) const;
  asio::awaitable<std::string> create(clients::garden::ContainerSpec spec);
  asio::awaitable<void> destroy(std::string handle);
  // Ends all processes but the first (docs/spec/garden.md §2.12).
  asio::awaitable<void> stop_processes(std::string handle, bool kill);

  asio::awaitable<clients::garden::ContainerInfo> info(std::string handle);
  asio::awaitable<clients::garden::ContainerMetrics> metrics(std::string handle);
  clients::garden::Limits limits(const std::string& handle) const;

  asio::awaitable<clients::garden::PortMapping> net_in(std::string handle, clients::garden::NetIn wanted);
  asio::awaitable<void> net_out(std::string handle, std::vector<clients::garden::NetOutRule> rules);

  asio::awaitable<ProcessSession> run(std::string handle, clients::garden::ProcessSpec spec);
  asio::awaitable<ProcessSession> attach(std::string handle, std::string process_id);
  // Called with every exit before it is told: notices that memory ran out (§2.15), and forgets old processes.
  void note_exit(Container& container, const std::string& process_id);

  // A helper that takes a tar stream in, or gives one, for the container (§1.9).
  std::unique_ptr<Child> start_transfer(asio::any_io_executor executor, const std::string& handle,
                                        const std::string& mode, const std::string& user, const std::string& path);

  // §1.12: an unknown handle is no error here.
  const clients::garden::Properties* properties(const std::string& handle) const;
  std::string property(const std::string& handle, const std::string& key) const;
  void set_property(const std::string& handle, const std::string& key, const std::string& value);
  void remove_property(const std::string& handle, const std::string& key);
  void set_grace_time(const std::string& handle, std::int64_t grace_time_ns);

  // Counts as use of the container while it lives (§1.10). Of an unknown handle: nothing.
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
  void save(const Container& container) const;
  void check_spec(clients::garden::ContainerSpec& spec) const;

  asio::awaitable<void> measure_disk(ContainerPtr container);

  // gardener_create.cc
  void reserve_network(Container& container, const clients::garden::ContainerSpec& spec);
  void release_network(Container& container);
  asio::awaitable<void> build(Container& container, const clients::garden::ContainerSpec& spec);
  asio::awaitable<void> start_init(Container& container, const clients::garden::ContainerSpec& spec);
  void write_bundle(const Container& container, const clients::garden::ContainerSpec& spec) const;

  // gardener_destroy.cc
  asio::awaitable<void> tear_down(Container& container);
  asio::awaitable<void> kill_processes(Container& container);
  asio::awaitable<void> collect_trash();

  // gardener_start.cc
  asio::awaitable<void> adopt_containers();
  asio::awaitable<bool> adopt(Container& container);
  asio::awaitable<void> remove_orphans();
  asio::awaitable<void> run_upkeep();
  // Where on the host containers' groups are, kept for remove_everything(): garden may be started from another group
  // then.
  void remember_cgroups(const Cgroups& cgroups);

  // gardener_processes.cc
  asio::awaitable<void> launch(ProcessSession& session, const clients::garden::ProcessSpec& spec);
  std::string write_process(const Container& container, const clients::garden::ProcessSpec& spec,
                            const std::string& directory) const;

  asio::any_io_executor executor_;
  base::WorkerPool& workers_;
  base::WorkerPool network_worker_{1};  // the network is changed by one thread
  Options options_;
  base::Logger logger_;
  Host host_;
  base::UniqueFd lock_;
  IdMapping mapping_;
  std::unique_ptr<Runtime> runtime_;
  ImageStore images_;
  NetworkDriver network_;
  SubnetPool subnets_;
  PortPool ports_;
  std::uint64_t next_network_;
  std::map<std::string, ContainerPtr> containers_;
  base::Condition changed_;  // a container was created or destroyed
  std::set<std::string> cgroup_parents_;
  bool is_collecting_trash_ = false;
  base::TaskGroup background_;
};

}  // namespace rivera::garden
