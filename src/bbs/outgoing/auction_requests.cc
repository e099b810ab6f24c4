#include "bbs/outgoing/auction_requests.h"

#include <algorithm>

#include "base/work/cancellation.h"

namespace rivera::bbs {
namespace {

constexpr std::size_t kMostAuctionsWaiting = 100'000;
// Of one POST: instances or tasks, about a megabyte.
constexpr std::size_t kMostAtOnce = 5'000;

std::size_t size_of(const models::LRPStartRequest& request) { return std::max<std::size_t>(1, request.indices.size()); }
std::size_t size_of(const models::TaskStartRequest&) { return 1; }

}  // namespace

models::LRPStartRequest start_request_for(const AuctionLRP& auction) {
  const models::DesiredLRP& lrp = auction.desired->lrp;
  models::LRPStartRequest request;
  request.process_guid = lrp.process_guid();
  request.domain = lrp.domain();
  request.indices = models::NullableList<std::int32_t>(auction.indices);
  request.placement.root_fs = lrp.root_fs();
  for (const std::string& tag : lrp.placement_tags()) request.placement.placement_tags.push_back(tag);
  request.placement.volume_drivers = models::StringList::made();
  for (const auto& mount : lrp.volume_mounts()) request.placement.volume_drivers.push_back(mount.driver());
  request.resource = {lrp.memory_mb(), lrp.disk_mb(), lrp.max_pids()};
  return request;
}

models::TaskStartRequest start_request_for(const AuctionTask& auction) {
  const models::Task& task = auction.task->task;
  const models::TaskDefinition& definition = task.task_definition();
  models::TaskStartRequest request;
  request.task.task_guid = task.task_guid();
  request.task.domain = task.domain();
  request.task.placement.root_fs = definition.root_fs();
  for (const std::string& tag : definition.placement_tags()) request.task.placement.placement_tags.push_back(tag);
  request.task.placement.volume_drivers = models::StringList::made();
  for (const auto& mount : definition.volume_mounts()) {
    request.task.placement.volume_drivers.push_back(mount.driver());
  }
  request.task.resource = {definition.memory_mb(), definition.disk_mb(), definition.max_pids()};
  return request;
}

AuctionRequests::AuctionRequests(asio::any_io_executor executor, clients::AuctioneerClientOptions options,
                                 HasLock has_lock, base::Logger logger)
    : client_(executor, std::move(options)),
      has_lock_(std::move(has_lock)),
      logger_(logger.session("auction-requests")),
      lrps_(executor),
      tasks_(executor),
      senders_(executor, logger_) {
  senders_.spawn_critical("lrps", send_lrps());
  senders_.spawn_critical("tasks", send_tasks());
}

void AuctionRequests::request(const AuctionLRP& auction) { add(lrps_, start_request_for(auction), auction.trace_id); }

void AuctionRequests::request(const AuctionTask& auction) { add(tasks_, start_request_for(auction), auction.trace_id); }

asio::awaitable<void> AuctionRequests::stop() { co_await senders_.stop(); }

template <typename Request>
void AuctionRequests::add(Line<Request>& line, Request request, const std::string& trace_id) {
  if (line.waiting.size() >= kMostAuctionsWaiting) {
    logger_.error("too-many-waiting", {{"limit", kMostAuctionsWaiting}});
    return;
  }
  line.waiting.push_back({std::move(request), trace_id});
  line.changed.notify_all();
}

template <typename Request>
std::vector<Request> AuctionRequests::take(Line<Request>& line, std::string& trace_id) {
  std::vector<Request> requests;
  trace_id = line.waiting.front().trace_id;
  std::size_t size = 0;
  while (!line.waiting.empty() && line.waiting.front().trace_id == trace_id && size < kMostAtOnce) {
    size += size_of(line.waiting.front().request);
    requests.push_back(std::move(line.waiting.front().request));
    line.waiting.pop_front();
  }
  return requests;
}

asio::awaitable<void> AuctionRequests::send_lrps() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (;;) {
    while (lrps_.waiting.empty()) co_await lrps_.changed.wait();
    std::string trace_id;
    std::vector<models::LRPStartRequest> requests = take(lrps_, trace_id);
    const std::size_t count = requests.size();
    try {
      require_lock(has_lock_);
      co_await client_.request_lrp_auctions(std::move(requests), std::move(trace_id));
      logger_.debug("requested-lrp-auctions", {{"count", count}});
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      logger_.error("failed-to-request-lrp-auctions", {{"count", count}, {"error", e.what()}});
    }
  }
}

asio::awaitable<void> AuctionRequests::send_tasks() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (;;) {
    while (tasks_.waiting.empty()) co_await tasks_.changed.wait();
    std::string trace_id;
    std::vector<models::TaskStartRequest> requests = take(tasks_, trace_id);
    const std::size_t count = requests.size();
    try {
      require_lock(has_lock_);
      co_await client_.request_task_auctions(std::move(requests), std::move(trace_id));
      logger_.debug("requested-task-auctions", {{"count", count}});
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      logger_.error("failed-to-request-task-auctions", {{"count", count}, {"error", e.what()}});
    }
  }
}

}  // namespace rivera::bbs
