// Which cells convergence takes for present: what Locket lists, unless that is hard to believe.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "bbs/convergence/convergence.h"

namespace rivera::bbs {

// A cell that is not listed any more is taken for gone, with two exceptions, in which it must be missed for
// `confirmation` without a break before its instances are replaced (docs/spec/bbs.md §9.3):
// - many are missed at once: that is more likely a fault of Locket than of that many cells;
// - Locket could not be asked just before: cells may not have reached it either.
// One or two cells that go are believed at once. Passive; keeps no time of its own.
class CellWatch {
 public:
  explicit CellWatch(std::chrono::nanoseconds confirmation) : confirmation_(confirmation) {}

  // Cells that ought to be there, because something is recorded to run on them: before the first list, so that a BBS
  // that has just become active can tell that many are missing.
  void expect(const CellIds& cells);
  // Locket did not answer, or with an error.
  void unreachable(base::Timestamp now) { last_outage_ = now; }
  // Locket listed these: gives those to be taken for present.
  CellIds believe(CellIds listed, base::Timestamp now);

 private:
  std::chrono::nanoseconds confirmation_;
  CellIds present_;  // as given last
  std::optional<base::Timestamp> last_outage_;
  std::map<std::string, base::Timestamp> doubted_since_;
};

}  // namespace rivera::bbs
