#include "auction/work_order.h"

#include <algorithm>
#include <numeric>

namespace rivera::auction {

namespace {

std::vector<std::size_t> positions(std::size_t count) {
  std::vector<std::size_t> result(count);
  std::iota(result.begin(), result.end(), std::size_t{0});
  return result;
}

void append(std::vector<WorkItem>& items, bool is_task, std::span<const std::size_t> which) {
  for (const std::size_t position : which) items.push_back({is_task, position});
}

}  // namespace

std::vector<WorkItem> order_of_work(const std::vector<LRPAuction>& lrps, const std::vector<TaskAuction>& tasks) {
  auto lrp_order = positions(lrps.size());
  std::stable_sort(lrp_order.begin(), lrp_order.end(), [&lrps](std::size_t a, std::size_t b) {
    const auto& x = lrps[a].lrp;
    const auto& y = lrps[b].lrp;
    return x.index != y.index ? x.index < y.index : x.resource.memory_mb > y.resource.memory_mb;
  });
  auto task_order = positions(tasks.size());
  std::stable_sort(task_order.begin(), task_order.end(), [&tasks](std::size_t a, std::size_t b) {
    return tasks[a].task.resource.memory_mb > tasks[b].task.resource.memory_mb;
  });

  const auto first_further = std::find_if(lrp_order.begin(), lrp_order.end(),
                                          [&lrps](std::size_t position) { return lrps[position].lrp.index > 0; });
  const bool has_further = first_further != lrp_order.end();
  const auto before_tasks = has_further ? static_cast<std::size_t>(first_further - lrp_order.begin()) : 0;

  std::vector<WorkItem> items;
  items.reserve(lrps.size() + tasks.size());
  const std::span<const std::size_t> ordered(lrp_order);
  append(items, false, ordered.first(before_tasks));
  append(items, true, task_order);
  append(items, false, ordered.subspan(before_tasks));
  return items;
}

}  // namespace rivera::auction
