#include "auctioneer/auctions/failure_report.h"

#include "auctioneer/auctions/concurrency.h"
#include "base/work/cancellation.h"
#include "models/errors.h"

namespace rivera::auctioneer {
namespace {

constexpr std::size_t kMaxConcurrentReports = 64;

class Reporter {
 public:
  Reporter(const auction::Batch& batch, clients::BbsClient& bbs, const base::Logger& logger)
      : batch_(batch), bbs_(bbs), logger_(logger) {}

  asio::awaitable<void> report_task(const auction::FailedItem& failed) {
    const std::string guid = batch_.tasks()[failed.item].task.task_guid;
    auto call = bbs_.reject_task(guid, failed.error);
    const std::string failure = co_await attempt(std::move(call));
    if (!failure.empty()) logger_.error("failed-to-reject-task", {{"task-guid", guid}, {"error", failure}});
  }

  asio::awaitable<void> report_lrp(const auction::FailedItem& failed) {
    const auto& lrp = batch_.lrps()[failed.item].lrp;
    models::ActualLRPKey key;
    key.set_process_guid(lrp.process_guid);
    key.set_index(lrp.index);
    key.set_domain(lrp.domain);
    auto call = bbs_.fail_actual_lrp(std::move(key), failed.error);
    const std::string failure = co_await attempt(std::move(call));
    if (failure.empty()) co_return;
    logger_.error("failed-to-fail-LRP", {{"process-guid", lrp.process_guid}, {"index", lrp.index}, {"error", failure}});
  }

  bool gave_up() const { return gave_up_; }

 private:
  // The error's text; "" for success.
  asio::awaitable<std::string> attempt(asio::awaitable<void> call) {
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    std::string failure;
    try {
      co_await std::move(call);
      co_return failure;
    } catch (const models::ModelError& e) {
      failure = e.what();  // the BBS responded: it refuses this one only
      co_return failure;
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      failure = e.what();
    }
    gave_up_ = true;
    co_return failure;
  }

  const auction::Batch& batch_;
  clients::BbsClient& bbs_;
  const base::Logger& logger_;
  bool gave_up_ = false;
};

}  // namespace

asio::awaitable<void> report_failures(const BatchFailures& failures, const auction::Batch& batch,
                                      clients::BbsClient& bbs, base::Logger logger) {
  Reporter reporter(batch, bbs, logger);
  std::size_t dropped = 0;
  std::function<asio::awaitable<void>(std::size_t)> report_task = [&](std::size_t i) -> asio::awaitable<void> {
    if (reporter.gave_up()) {
      ++dropped;
      co_return;
    }
    co_await reporter.report_task(failures.tasks[i]);
  };
  std::function<asio::awaitable<void>(std::size_t)> report_lrp = [&](std::size_t i) -> asio::awaitable<void> {
    if (reporter.gave_up()) {
      ++dropped;
      co_return;
    }
    co_await reporter.report_lrp(failures.lrps[i]);
  };
  co_await for_each_concurrently(failures.tasks.size(), kMaxConcurrentReports, std::move(report_task), logger);
  co_await for_each_concurrently(failures.lrps.size(), kMaxConcurrentReports, std::move(report_lrp), logger);
  if (dropped > 0) logger.error("dropped-failure-reports", {{"count", dropped}});
}

}  // namespace rivera::auctioneer
