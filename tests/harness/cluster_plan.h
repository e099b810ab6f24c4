// What a test cluster of several machines is made of.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "cluster/settings/settings.h"

namespace rivera::harness {

struct CellPlan {
  std::string zone = "z1";
  int memory_mb = 1024;
  int disk_mb = 4096;
  std::vector<std::string> placement_tags = {};
  // Of each frame to and from the cell.
  std::chrono::milliseconds delay{0};
};

enum class Store {
  kSqlite,    // one file that every control machine opens
  kPostgres,  // a server on a machine of its own
};

// Machines by their names:
//
//   control-1 ...  locket, bbs, auctioneer
//   router         nats, gorouter, file-server
//   cell-1 ...     garden, rep, route-emitter of that cell
//   database       PostgreSQL, if it is the store
struct ClusterPlan {
  std::vector<CellPlan> cells{CellPlan{}};
  int controls = 1;
  Store store = Store::kSqlite;
  // From the last refresh of a cell's presence, or of the lock of a BBS or auctioneer, to its end.
  std::chrono::seconds cell_ttl{5};
  std::chrono::seconds lock_ttl{5};
  std::chrono::seconds evacuation_timeout{60};
  // Whether every machine knows the cells by name ("cell-1.cell.service.cf.internal"). If not, the name server that
  // all machines ask does not answer either.
  bool cell_names_resolve = true;
  // Has the last word on each configuration file, of a program on a machine with these settings. Empty: they stay.
  std::function<void(const cluster::Settings& machine, const std::string& program, boost::json::object& config)>
      change_config = nullptr;
  std::vector<std::string> garden_flags = {};  // more of them
};

}  // namespace rivera::harness
