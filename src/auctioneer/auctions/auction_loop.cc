#include "auctioneer/auctions/auction_loop.h"

#include <utility>

#include "auctioneer/auctions/auction_log.h"
#include "auctioneer/auctions/commit.h"
#include "auctioneer/auctions/failure_report.h"
#include "base/log/trace.h"
#include "base/work/cancellation.h"

namespace rivera::auctioneer {
namespace {

constexpr std::chrono::seconds kPauseWithoutBbs{1};

void append(std::vector<auction::FailedItem>& to, std::vector<auction::FailedItem>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

AuctionLoop::AuctionLoop(asio::any_io_executor executor, AuctionOptions options, clients::BbsClient& bbs,
                         const clients::RepClientFactory& reps, base::WorkerPool& workers, const base::Clock& clock,
                         AuctioneerProbe& probe, base::Logger logger)
    : executor_(executor),
      options_(options),
      bbs_(bbs),
      reps_(reps),
      workers_(workers),
      clock_(clock),
      probe_(probe),
      logger_(std::move(logger)),
      work_arrived_(executor) {}

asio::awaitable<void> AuctionLoop::submit(std::vector<models::LRPStartRequest> requests, std::string trace) {
  co_await asio::co_spawn(executor_, take_in(std::move(requests), std::move(trace)), asio::use_awaitable);
}

asio::awaitable<void> AuctionLoop::submit(std::vector<models::TaskStartRequest> requests, std::string trace) {
  co_await asio::co_spawn(executor_, take_in(std::move(requests), std::move(trace)), asio::use_awaitable);
}

template <typename Request>
asio::awaitable<void> AuctionLoop::take_in(std::vector<Request> requests, std::string trace) {
  std::size_t dropped = 0;
  for (const auto& request : requests) dropped += pending_.add(request, clock_.now());
  if (dropped > 0) logger_.error("dropped-auctions", {{"count", dropped}, {"reason", "too many are waiting"}});
  if (!has_work_) {
    has_work_ = true;
    trace_ = std::move(trace);
    work_arrived_.notify_all();
  }
  co_return;
}

asio::awaitable<void> AuctionLoop::run() {
  for (;;) {
    while (!has_work_) co_await work_arrived_.wait();
    std::string trace = trace_;
    co_await run_batch(std::move(trace));
  }
}

asio::awaitable<void> AuctionLoop::run_batch(std::string trace) {
  const base::Logger logger = base::traced_session(logger_, "auction", trace);
  const auto cells = co_await list_cells(trace, logger);
  const CellStates states =
      co_await fetch_cell_states(cells, options_.workers, options_.longest_state_fetch, probe_, logger);

  // Only now, so that requests that arrived during the fetch are placed too.
  logger.info("fetching-auctions");
  const auction::Batch batch = pending_.drain();
  has_work_ = false;
  logger.info("fetched-auctions",
              {{"lrp-start-auctions", batch.lrps().size()}, {"task-auctions", batch.tasks().size()}});
  if (batch.empty()) {
    logger.info("nothing-to-auction");
    co_return;
  }

  logger.info("scheduling");
  auction::Plan plan = co_await place(states, batch);
  log_plan(plan, batch, states, logger);
  BatchFailures rejected = co_await commit(plan, batch, states, cells, options_.workers, logger);
  const BatchFailures failures = finish(plan, std::move(rejected), batch, states, logger);
  co_await report_failures(failures, batch, bbs_, logger);
}

asio::awaitable<std::vector<RegisteredCell>> AuctionLoop::list_cells(const std::string& trace,
                                                                     const base::Logger& logger) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  logger.info("fetching-cell-reps");
  bbs_.set_trace_id(trace);
  std::vector<models::CellPresence> presences;
  for (;;) {
    std::string failure;
    try {
      auto answer = co_await bbs_.cells();
      presences = std::move(answer);
      break;
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      failure = e.what();
    }
    logger.error("failed-to-fetch-reps", {{"error", failure}});
    co_await base::sleep_for(kPauseWithoutBbs);
  }

  std::vector<RegisteredCell> cells;
  for (const auto& presence : presences) {
    try {
      cells.push_back({presence.cell_id(), reps_.at(presence.rep_address(), presence.rep_url(), trace)});
    } catch (const clients::RepAddressError& e) {
      logger.error("create-rep-client-failed", {{"cell-guid", presence.cell_id()}, {"error", e.what()}});
    }
  }
  logger.info("fetched-cell-reps", {{"cell-reps-count", cells.size()}});
  co_return cells;
}

// On a worker thread: placing 250,000 items takes long enough to delay the acceptance of requests.
asio::awaitable<auction::Plan> AuctionLoop::place(const CellStates& states, const auction::Batch& batch) {
  const auto started = std::chrono::steady_clock::now();
  auto work = [&states, &batch, options = options_.placement] {
    return auction::place(states.snapshots, batch.lrps(), batch.tasks(), options);
  };
  auto plan = co_await workers_.run(std::move(work));
  probe_.placed(std::chrono::steady_clock::now() - started);
  co_return plan;
}

BatchFailures AuctionLoop::finish(auction::Plan& plan, BatchFailures rejected, const auction::Batch& batch,
                                  const CellStates& states, const base::Logger& logger) {
  log_rejections(rejected, batch, logger);
  append(rejected.lrps, plan.failed_lrps);
  append(rejected.tasks, plan.failed_tasks);
  const std::size_t lrps = batch.lrps().size() - rejected.lrps.size();
  const std::size_t tasks = batch.tasks().size() - rejected.tasks.size();
  logger.info("scheduled", {{"successful-lrp-start-auctions", lrps},
                            {"successful-task-auctions", tasks},
                            {"failed-lrp-start-auctions", rejected.lrps.size()},
                            {"failed-task-auctions", rejected.tasks.size()},
                            {"excluded-cells", states.excluded}});
  probe_.batch_done(lrps, tasks, rejected.lrps.size(), rejected.tasks.size());
  return rejected;
}

}  // namespace rivera::auctioneer
