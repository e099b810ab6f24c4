#include "rep/operations/work_intake.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "rep/settings/container_tags.h"
#include "rep/settings/root_fs.h"

namespace rivera::rep {
namespace {

constexpr std::size_t kInstanceGuidLength = 28;
constexpr const char* kNoMemory = "insufficient resources: memory";

void refuse(models::Work& refused, const models::CellLRP& lrp, const std::string& reason) {
  refused.lrps.push_back(lrp);
  refused.rejection_reasons[lrp.identifier()] = reason;
}

void refuse(models::Work& refused, const models::CellTask& task, const std::string& reason) {
  refused.tasks.push_back(task);
  refused.rejection_reasons[task.task_guid] = reason;
}

executor::Resource resource_of(const models::ContainerResource& resource, std::int64_t more_memory_mb) {
  return {.memory_mb = resource.memory_mb + more_memory_mb, .disk_mb = resource.disk_mb, .max_pids = resource.max_pids};
}

// The LRPs that fit, in order of decreasing memory. One that does not fit may be followed by a smaller one that does.
std::vector<models::CellLRP> fitting(const models::Work& work, const IntakeTerms& terms, models::Work& refused) {
  std::vector<models::CellLRP> sorted(work.lrps.begin(), work.lrps.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.resource.memory_mb > b.resource.memory_mb; });
  std::vector<models::CellLRP> kept;
  auto remaining = terms.remaining_memory_mb;
  for (auto& lrp : sorted) {
    const auto needed = lrp.resource.memory_mb + terms.proxy_memory_mb;
    if (needed > remaining) {
      refuse(refused, lrp, kNoMemory);
      continue;
    }
    remaining -= needed;
    kept.push_back(std::move(lrp));
  }
  return kept;
}

void accept_lrp(Intake& intake, const models::CellLRP& lrp, const IntakeTerms& terms, std::string guid) {
  guid.resize(std::min(guid.size(), kInstanceGuidLength));
  try {
    executor::AllocationRequest request;
    request.rootfs = resolve_root_fs(lrp.placement.root_fs, terms.stacks);
    request.resource = resource_of(lrp.resource, lrp.resource.memory_mb > 0 ? terms.proxy_memory_mb : 0);
    request.tags = tags_of(lrp, guid);
    request.guid = std::move(guid);
    intake.lrps.push_back({lrp, std::move(request)});
  } catch (const RootFsNotFound& e) {
    refuse(intake.refused, lrp, e.what());
  }
}

void accept_task(Intake& intake, const models::CellTask& task, const IntakeTerms& terms) {
  try {
    executor::AllocationRequest request;
    request.guid = task.task_guid;
    request.rootfs = resolve_root_fs(task.placement.root_fs, terms.stacks);
    request.resource = resource_of(task.resource, 0);
    request.tags = tags_of(task);
    intake.tasks.push_back({task, std::move(request)});
  } catch (const RootFsNotFound& e) {
    refuse(intake.refused, task, e.what());
  }
}

}  // namespace

Intake accept_work(const models::Work& work, const IntakeTerms& terms, const std::function<std::string()>& new_guid) {
  Intake intake;
  if (terms.evacuating) {
    intake.refused = work;
    return intake;
  }
  const auto lrps = fitting(work, terms, intake.refused);
  for (const auto& lrp : lrps) accept_lrp(intake, lrp, terms, new_guid());
  for (const auto& task : work.tasks) accept_task(intake, task, terms);
  return intake;
}

void refuse_failed(models::Work& refused, const Intake& intake,
                   const std::vector<executor::AllocationFailure>& failures) {
  // Of several items with one guid each failure refuses one.
  std::unordered_multimap<std::string_view, const Intake::LRP*> lrps;
  std::unordered_multimap<std::string_view, const Intake::Task*> tasks;
  for (const auto& one : intake.lrps) lrps.emplace(one.request.guid, &one);
  for (const auto& one : intake.tasks) tasks.emplace(one.request.guid, &one);
  for (const auto& failure : failures) {
    if (const auto lrp = lrps.find(failure.guid); lrp != lrps.end()) {
      refuse(refused, lrp->second->lrp, failure.reason);
      lrps.erase(lrp);
    } else if (const auto task = tasks.find(failure.guid); task != tasks.end()) {
      refuse(refused, task->second->task, failure.reason);
      tasks.erase(task);
    }
  }
}

}  // namespace rivera::rep
