#include "auctioneer/auctions/auction_log.h"

namespace rivera::auctioneer {
namespace {

// Items beyond the limit of starting containers are logged under a different message.
std::string_view message_for(const auction::FailedItem& failed, std::string_view usual) {
  return failed.error == auction::kStartLimitReached ? "exceeded-max-inflight-container-creation" : usual;
}

}  // namespace

void log_plan(const auction::Plan& plan, const auction::Batch& batch, const CellStates& states,
              const base::Logger& logger) {
  if (logger.enabled(base::LogLevel::kInfo)) {
    for (const auto& assignment : plan.cells) {
      const auto& cell = states.snapshots[assignment.cell].cell_id;
      for (const auto position : assignment.lrps) {
        const auto& lrp = batch.lrps()[position].lrp;
        logger.info("lrp-added-to-cell",
                    {{"lrp-guid", lrp.process_guid}, {"lrp-index", lrp.index}, {"cell-guid", cell}});
      }
      for (const auto position : assignment.tasks) {
        logger.info("task-added-to-cell", {{"task-guid", batch.tasks()[position].task.task_guid}, {"cell-guid", cell}});
      }
    }
  }
  for (const auto& failed : plan.failed_lrps) {
    const auto& lrp = batch.lrps()[failed.item].lrp;
    logger.info(message_for(failed, "lrp-auction-failed"), {{"lrp-guid", lrp.process_guid},
                                                            {"lrp-index", lrp.index},
                                                            {"error", failed.error},
                                                            {"excluded-cells", states.excluded}});
  }
  for (const auto& failed : plan.failed_tasks) {
    logger.info(message_for(failed, "task-auction-failed"), {{"task-guid", batch.tasks()[failed.item].task.task_guid},
                                                             {"error", failed.error},
                                                             {"excluded-cells", states.excluded}});
  }
}

void log_rejections(const BatchFailures& rejected, const auction::Batch& batch, const base::Logger& logger) {
  for (const auto& failed : rejected.lrps) {
    const auto& lrp = batch.lrps()[failed.item].lrp;
    logger.info("lrp-failed-to-be-placed",
                {{"lrp-guid", lrp.process_guid}, {"lrp-index", lrp.index}, {"error", failed.error}});
  }
  for (const auto& failed : rejected.tasks) {
    logger.info("task-failed-to-be-placed",
                {{"task-guid", batch.tasks()[failed.item].task.task_guid}, {"error", failed.error}});
  }
}

}  // namespace rivera::auctioneer
