// Which cells convergence takes for present: what Locket lists, unless too many are gone at once.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/clock.h"
#include "bbs/convergence.h"

namespace rivera::bbs {

// A sharply smaller list is more likely a fault of Locket than of that many cells: it must still say the same after
// `confirmation` before their instances are replaced (docs/spec/bbs.md §9.3). One or two cells that go are believed at
// once. Passive; keeps no time of its own.
class CellWatch {
 public:
  explicit CellWatch(std::chrono::nanoseconds confirmation) : confirmation_(confirmation) {}

  CellIds believe(CellIds listed, base::Timestamp now);

 private:
  std::chrono::nanoseconds confirmation_;
  CellIds present_;  // as given last
  std::map<std::string, base::Timestamp> doubted_since_;
};

}  // namespace rivera::bbs
