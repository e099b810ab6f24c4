#include "auction/placement.h"

#include "auction/cell_chooser.h"
#include "auction/work_order.h"

namespace rivera::auction {

namespace {

// A batch while it is being placed.
class Scheduling {
 public:
  Scheduling(std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
             const std::vector<TaskAuction>& tasks, const PlacementOptions& options, Method method)
      : lrps_(lrps),
        tasks_(tasks),
        limit_(options.starting_container_count_maximum),
        chooser_(method == Method::kPools ? make_pool_search(cells, lrps, options) : make_flat_scan(cells, options)),
        assignments_(cells.size()) {
    for (const auto& cell : cells) starting_ += cell.starting_containers;
  }

  Plan run() {
    for (const auto& item : order_of_work(lrps_, tasks_)) {
      if (item.is_task) {
        place(tasks_[item.position].task, item.position, &CellAssignment::tasks, plan_.failed_tasks);
      } else {
        place(lrps_[item.position].lrp, item.position, &CellAssignment::lrps, plan_.failed_lrps);
      }
    }
    for (std::size_t cell = 0; cell < assignments_.size(); ++cell) {
      auto& assignment = assignments_[cell];
      if (assignment.lrps.empty() && assignment.tasks.empty()) continue;
      assignment.cell = cell;
      plan_.cells.push_back(std::move(assignment));
    }
    return std::move(plan_);
  }

 private:
  template <typename Item>
  void place(const Item& item, std::size_t position, std::vector<std::size_t> CellAssignment::*list,
             std::vector<FailedItem>& failed) {
    if (assignments_.empty()) return fail(failed, position, std::string(kNobodyAnswered));
    if (limit_ > 0 && starting_ >= limit_) return fail(failed, position, std::string(kStartLimitReached));
    auto choice = chooser_->choose(item);
    if (!choice.cell) return fail(failed, position, std::move(choice.error));
    chooser_->reserve(*choice.cell, item);
    (assignments_[*choice.cell].*list).push_back(position);
    ++starting_;
  }

  static void fail(std::vector<FailedItem>& failed, std::size_t position, std::string error) {
    failed.push_back({position, std::move(error)});
  }

  const std::vector<LRPAuction>& lrps_;
  const std::vector<TaskAuction>& tasks_;
  std::int64_t limit_;
  std::int64_t starting_ = 0;
  std::unique_ptr<CellChooser> chooser_;
  std::vector<CellAssignment> assignments_;
  Plan plan_;
};

}  // namespace

Plan place(std::span<const CellSnapshot> cells, const std::vector<LRPAuction>& lrps,
           const std::vector<TaskAuction>& tasks, const PlacementOptions& options, Method method) {
  return Scheduling(cells, lrps, tasks, options, method).run();
}

}  // namespace rivera::auction
