// A real cluster of several machines for tests, each in a network namespace of its own.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "harness/cluster_client.h"
#include "harness/cluster_plan.h"
#include "harness/machine.h"
#include "harness/machine_network.h"

namespace rivera::harness {

// The programs of the build with configuration files as `./run` writes them, except addresses, names, the store and
// shorter times. Programs that end are started again as a process manager does, unless the test has ended them.
//
// Lives from the constructor, which returns when every cell is present and the router serves, to the destructor, after
// which nothing is left on the host. If the test has failed, the destructor prints the ends of all logs. One at a time
// in a process, used by the thread that made it; with_bbs() and get() also by a Background. Everything blocks; failures
// are std::runtime_error.
class MachineCluster : public ClusterClient {
 public:
  explicit MachineCluster(ClusterPlan plan);
  ~MachineCluster() override;

  const ClusterPlan& plan() const { return plan_; }
  Machine& machine(const std::string& name) const { return *machines_.at(name).machine; }
  std::string address_of(const std::string& name) const { return machines_.at(name).settings.host_address; }
  std::vector<std::string> cell_names() const;
  std::vector<std::string> control_names() const;
  // The cells that the BBS knows.
  std::vector<std::string> present_cells() const;

  // The control machine whose BBS answers. Throws if there is none.
  std::string active_control() const;
  // The one whose auctioneer serves.
  std::string active_auctioneer() const;

  // Cuts `name` off from every other machine, not from the test. heal() of all.
  void isolate(const std::string& name);
  void heal() { network_->heal(); }

  // Power off; boot() starts it again with its programs.
  void power_off(const std::string& name) { machine(name).kill(); }
  void boot(const std::string& name);

  // Starts a program that the test has killed with Machine::kill().
  void start(const std::string& machine_name, const std::string& program);

  // Runs cfdot on the router's machine, with the BBS's and Locket's names as every program has them, to its end. Throws
  // with its output unless it exits with 0.
  void run_cfdot(const std::string& command);

  // Begins to empty a cell. Its rep is not started again when it has ended.
  void evacuate(const std::string& cell);
  // The handles of a cell's containers, as its depot has them.
  std::vector<std::string> containers_on(const std::string& cell) const;

 protected:
  clients::BbsClientOptions bbs_options() const override;
  std::string router_url() const override;

 private:
  struct Place {
    cluster::Settings settings;
    std::vector<std::string> programs;  // in the order of starting
    std::chrono::milliseconds delay{0};
    std::unique_ptr<Machine> machine;
  };

  MachineCluster(ClusterPlan plan, std::filesystem::path directory);
  void add(const std::string& name, std::vector<std::string> programs, const CellPlan* cell);
  void write_files();
  void start_all();
  void print_logs() const;

  ClusterPlan plan_;
  std::filesystem::path directory_;
  std::vector<std::string> names_;  // in the order of starting
  std::map<std::string, Place> machines_;
  std::unique_ptr<Machine> switch_;
  std::unique_ptr<MachineNetwork> network_;
  mutable std::mutex mutex_;  // of last_active_: Background asks too
  mutable std::string last_active_;
};

}  // namespace rivera::harness
