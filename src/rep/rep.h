// The rep: a cell's agent.
#pragma once

#include <memory>

#include "base/process/program.h"
#include "rep/settings/config.h"

namespace rivera::rep {

// Wires the parts of a cell and runs them until the program is asked to stop.
//
// Order (docs/spec/cell.md §1.1, §1.3): the executor finds its containers; the presence is established; only then do
// the two servers listen, and reconciliation begins. At the end servers close first. Containers are left running,
// unless the cell was evacuated or is configured to destroy them; the presence is given up only then, so that a cell
// whose software is restarted keeps its instances.
class Rep {
 public:
  // Throws std::runtime_error naming what is wrong with the TLS files.
  Rep(base::Program& program, Config config);
  ~Rep();

  // Returns when everything has ended.
  asio::awaitable<void> run();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivera::rep
