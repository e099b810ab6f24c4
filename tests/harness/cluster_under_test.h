// A real cluster for tests: the programs of the build, in a directory, with ports, addresses and names of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/process/subprocess.h"
#include "harness/cluster_client.h"

namespace rivera::harness {

// The first of a block of free ports for a cluster, below those that the kernel gives to clients (32768 and above).
std::uint16_t free_port_base();

// A cluster on one machine, as `./run` makes it. Everything blocks.
class ClusterUnderTest : public ClusterClient {
 public:
  // The cluster that runs in `directory`, started by start() of this or another process.
  explicit ClusterUnderTest(std::filesystem::path directory);

  // Starts one in `directory` with whatever is free on this machine. Throws std::runtime_error with the tool's output.
  static ClusterUnderTest start(const std::filesystem::path& directory, bool with_sample = false);
  // Stops it; throws if the tool reports that something was left behind.
  void stop();

  // The one tests share: that of the environment variable RIVERA_TEST_CLUSTER (a directory).
  static ClusterUnderTest& shared();

  // Runs the tool of ./run on this cluster: run_tool({"status", "--json"}).
  base::CommandResult run_tool(std::vector<std::string> arguments) const;
  // Runs cfdot with this cluster's connection.
  base::CommandResult cfdot(std::vector<std::string> arguments) const;

  // The supervisor's view.
  pid_t pid_of(const std::string& component) const;  // 0: does not run
  bool is_healthy(const std::string& component) const;

 protected:
  clients::BbsClientOptions bbs_options() const override;
  std::string router_url() const override { return settings_.router_url(); }
};

}  // namespace rivera::harness
