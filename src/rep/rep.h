// The rep, the agent of a cell.
#pragma once

#include <memory>

#include "base/process/program.h"
#include "rep/settings/config.h"

namespace rivera::rep {

// Creates the parts of a cell and runs them until the program is requested to stop.
//
// Order of the start (docs/spec/cell.md §1.1, §1.3): the executor resumes its containers; the presence is established;
// then the two servers listen and reconciliation starts. At the end the servers close. Containers keep running and the
// presence is kept, so that a restart of the software loses no instance, unless the cell was evacuated or is configured
// to destroy its containers.
class Rep {
 public:
  // Throws std::runtime_error if the TLS files are unusable.
  Rep(base::Program& program, Config config);
  ~Rep();

  // Returns when all parts have stopped.
  asio::awaitable<void> run();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivera::rep
