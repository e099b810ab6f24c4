#include "bbs/board/board.h"
#include "bbs/board/lrp_edit.h"

namespace rivera::bbs {

Outcome Board::adopt(const std::vector<Change>& changes) {
  Outcome outcome;
  std::map<std::pair<std::string, std::int32_t>, std::vector<Swap<ActualLRPRecord>>> lrps;  // by guid and index
  for (const Change& change : changes) {
    if (const auto* domain = std::get_if<Swap<DomainRecord>>(&change)) {
      swap(outcome, domain->before, domain->after);
    } else if (const auto* task = std::get_if<Swap<TaskRecord>>(&change)) {
      swap(outcome, task->before, task->after);
      outcome.events.push_back({Hub::kTask, TaskEvent{task->before, task->after}});
    } else if (const auto* desired = std::get_if<Swap<DesiredLRPRecord>>(&change)) {
      swap(outcome, desired->before, desired->after);
      outcome.events.push_back({Hub::kDesired, DesiredLRPEvent{desired->before, desired->after, ""}});
    } else {
      const auto& lrp = std::get<Swap<ActualLRPRecord>>(change);
      const ActualLRPRecord& any = lrp.after ? *lrp.after : *lrp.before;
      lrps[{process_guid(any), instance_index(any)}].push_back(lrp);
    }
  }
  for (const auto& [key, swaps] : lrps) {
    LRPEdit edit(records_, outcome, key.first, key.second);
    for (const auto& [before, after] : swaps) {
      if (after) {
        edit.replace(before, after->whole());
      } else {
        edit.remove(before);
      }
    }
    edit.finish();
  }
  return outcome;
}

}  // namespace rivera::bbs
