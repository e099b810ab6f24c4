// Invariants of the Board that hold whatever the rules are (docs/spec/bbs.md §9.6); for tests.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "bbs/board/board.h"

namespace rivera::bbs {

// Observes one Board from its start. Each check returns a description of the violation, or "".
class BoardInvariants {
 public:
  // Invariants 3 and 4, of what an operation changed: epochs are fresh, indices increase, `since` is the time of the
  // last change other than one of presence.
  std::optional<std::string> check_changes(const Outcome& outcome, base::Timestamp now);
  // A row that was loaded.
  void learn(const ActualLRPPtr& row) { last_[epoch_of(*row)] = row; }

  // Invariant 2 and the indices of Records: all of it, O(records).
  static std::optional<std::string> check_rows(const Records& records);
  // Invariant 5: what a convergence with `cells` may remove. `before` is the state of the Board before it.
  static std::optional<std::string> check_removals(const Outcome& outcome, const Records& before, const Records& after,
                                                   const CellIds& cells);
  // Invariant 10: a second run of the same convergence changes nothing.
  static std::optional<std::string> check_idempotence(Board& board, const CellIds& cells, base::Timestamp now);
  // Invariant 8: of a process that is recreated, an evacuation takes down one instance at a time.
  static std::optional<std::string> check_one_at_a_time(const Outcome& outcome, const Records& after);

 private:
  static const std::string& epoch_of(const ActualLRPRecord& r) { return r.lrp.modification_tag().epoch(); }

  std::unordered_map<std::string, ActualLRPPtr> last_;  // by epoch
};

}  // namespace rivera::bbs
