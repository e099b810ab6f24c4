#include "auction/work_order.h"

#include <algorithm>
#include <span>

namespace rivera::auction {

namespace {

// The sort keys of an item, adjacent in memory: a batch may have 250,000 items.
struct SortKey {
  std::int32_t index = 0;
  std::int32_t memory = 0;
  std::size_t position = 0;  // last, so that equal items keep their order

  bool operator<(const SortKey& other) const {
    if (index != other.index) return index < other.index;
    if (memory != other.memory) return memory > other.memory;
    return position < other.position;
  }
};

void append(std::vector<WorkItem>& items, bool is_task, std::span<const SortKey> keys) {
  for (const auto& key : keys) items.push_back({is_task, key.position});
}

}  // namespace

std::vector<WorkItem> order_of_work(const std::vector<LRPAuction>& lrps, const std::vector<TaskAuction>& tasks) {
  std::vector<SortKey> lrp_order;
  lrp_order.reserve(lrps.size());
  for (const auto& [lrp, arrived] : lrps) lrp_order.push_back({lrp.index, lrp.resource.memory_mb, lrp_order.size()});
  std::sort(lrp_order.begin(), lrp_order.end());
  std::vector<SortKey> task_order;
  task_order.reserve(tasks.size());
  for (const auto& [task, arrived] : tasks) task_order.push_back({0, task.resource.memory_mb, task_order.size()});
  std::sort(task_order.begin(), task_order.end());

  const auto first_further =
      std::find_if(lrp_order.begin(), lrp_order.end(), [](const SortKey& key) { return key.index > 0; });
  const bool has_further = first_further != lrp_order.end();
  const auto before_tasks = has_further ? static_cast<std::size_t>(first_further - lrp_order.begin()) : 0;

  std::vector<WorkItem> items;
  items.reserve(lrps.size() + tasks.size());
  const std::span<const SortKey> ordered(lrp_order);
  append(items, false, ordered.first(before_tasks));
  append(items, true, task_order);
  append(items, false, ordered.subspan(before_tasks));
  return items;
}

}  // namespace rivera::auction
