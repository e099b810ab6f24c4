#include "auction/placement.h"

#include "auction/cell_chooser.h"
#include "auction/work_order.h"

namespace rivera::auction {

namespace {

// A batch while it is being placed.
class Scheduling {
 public:
  Scheduling(CellChooser& chooser, std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
             const std::vector<TaskAuction>& tasks, const PlacementOptions& options)
      : lrps_(lrps),
        tasks_(tasks),
        limit_(options.starting_container_count_maximum),
        chooser_(chooser),
        assignments_(cells.size()) {
    for (const auto& cell : cells) starting_ += cell.starting_containers;
  }

  Plan run() {
    for (const auto& item : order_of_work(lrps_, tasks_)) place(item);
    for (std::size_t cell = 0; cell < assignments_.size(); ++cell) {
      auto& assignment = assignments_[cell];
      if (assignment.lrps.empty() && assignment.tasks.empty()) continue;
      assignment.cell = cell;
      plan_.cells.push_back(std::move(assignment));
    }
    return std::move(plan_);
  }

 private:
  void place(const WorkItem& item) {
    if (assignments_.empty()) return fail(item, std::string(kNoCellResponded));
    if (limit_ > 0 && starting_ >= limit_) return fail(item, std::string(kStartLimitReached));
    auto choice = chooser_.choose(item);
    if (!choice.cell) return fail(item, std::move(choice.error));
    chooser_.reserve(*choice.cell, item);
    auto& assignment = assignments_[*choice.cell];
    (item.is_task ? assignment.tasks : assignment.lrps).push_back(item.position);
    ++starting_;
  }

  void fail(const WorkItem& item, std::string error) {
    (item.is_task ? plan_.failed_tasks : plan_.failed_lrps).push_back({item.position, std::move(error)});
  }

  const std::vector<LRPAuction>& lrps_;
  const std::vector<TaskAuction>& tasks_;
  std::int64_t limit_;
  std::int64_t starting_ = 0;
  CellChooser& chooser_;
  std::vector<CellAssignment> assignments_;
  Plan plan_;
};

}  // namespace

Plan place_with(CellChooser& chooser, std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
                const std::vector<TaskAuction>& tasks, const PlacementOptions& options) {
  return Scheduling(chooser, cells, lrps, tasks, options).run();
}

Plan place(std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
           const std::vector<TaskAuction>& tasks, const PlacementOptions& options, Method method) {
  const auto chooser = make_pool_search(cells, lrps, tasks, options, method);
  return place_with(*chooser, cells, lrps, tasks, options);
}

}  // namespace rivera::auction
