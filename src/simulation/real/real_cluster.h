// Real locket, bbs and auctioneer processes for the simulator, in a temporary directory.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "auction/placement.h"
#include "base/files.h"
#include "clients/bbs_client.h"
#include "clients/locket/locket_client.h"
#include "net/stream/tls.h"
#include "simulation/real/program_process.h"
#include "sql/database_config.h"
#include "sql/servers/local_server.h"

namespace rivera::simulation {

struct RealClusterOptions {
  std::filesystem::path programs = {};  // the directory of locket, bbs and auctioneer
  sql::Engine engine = sql::Engine::kSqlite;
  auction::PlacementOptions placement = {};
};

// Everything listens on free ports of the loopback device, with new certificates, and ends with the object. Blocks
// during start and stop.
class RealCluster {
 public:
  // Throws std::runtime_error naming the program that did not start, with the end of its log.
  explicit RealCluster(const RealClusterOptions& options);
  ~RealCluster();
  RealCluster(const RealCluster&) = delete;
  RealCluster& operator=(const RealCluster&) = delete;

  // For any component, as server and as client of 127.0.0.1.
  const net::TlsFiles& tls() const { return tls_; }
  clients::BbsClientOptions bbs() const;
  clients::LocketClientOptions locket() const;

  const std::vector<std::unique_ptr<ProgramProcess>>& processes() const { return processes_; }
  std::filesystem::path auctioneer_log() const { return directory_.path() / "auctioneer.log"; }

 private:
  void make_certificates();
  void write_configs(const RealClusterOptions& options);
  void start(const RealClusterOptions& options, const std::string& name);

  base::TemporaryDirectory directory_{"rivera-sim-"};
  std::unique_ptr<sql::LocalServer> database_;
  net::TlsFiles tls_;
  std::string locket_address_;
  std::string bbs_address_;
  std::vector<std::unique_ptr<ProgramProcess>> processes_;  // stopped in reverse order
};

}  // namespace rivera::simulation
