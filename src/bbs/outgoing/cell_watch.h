// The cells that convergence regards as present: what Locket lists, unless that is implausible.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "bbs/convergence/convergence.h"

namespace rivera::bbs {

// A cell that is no longer listed is missing, with two exceptions. In these it must be absent for `confirmation`
// without interruption before its instances are replaced (docs/spec/bbs.md §9.3):
// - Many cells disappear at once: a fault of Locket is more likely than of that many cells.
// - Locket did not answer just before: cells may not have reached it either.
// One or two cells that disappear are regarded as missing at once. Passive; reads no clock.
class CellWatch {
 public:
  explicit CellWatch(std::chrono::nanoseconds confirmation) : confirmation_(confirmation) {}

  // Cells expected to be present because LRPs or tasks are recorded on them. To be called before the first list, so
  // that a BBS that just became active notices if many are missing.
  void expect(const CellIds& cells);
  // Locket did not answer, or with an error.
  void unreachable(base::Timestamp now) { last_outage_ = now; }
  // Locket listed these: returns the cells to regard as present.
  CellIds believe(CellIds listed, base::Timestamp now);

 private:
  std::chrono::nanoseconds confirmation_;
  CellIds present_;  // the last result
  std::optional<base::Timestamp> last_outage_;
  std::map<std::string, base::Timestamp> doubted_since_;
};

}  // namespace rivera::bbs
