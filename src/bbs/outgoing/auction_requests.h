// Sends start requests to the auctioneer (docs/spec/bbs.md §5.6).
#pragma once

#include <deque>
#include <string>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "bbs/board/outcome.h"
#include "bbs/outgoing/has_lock.h"
#include "clients/auctioneer_client.h"
#include "models/placement/auction_json.h"

namespace rivera::bbs {

models::LRPStartRequest start_request_for(const AuctionLRP& auction);
models::TaskStartRequest start_request_for(const AuctionTask& auction);

// Sends requests in the background; those that gathered under one trace id share one POST. A request that fails, or
// that exceeds the queue, is logged and dropped: convergence requests it again. Sends nothing without the lock. Lives
// on one strand.
class AuctionRequests {
 public:
  AuctionRequests(asio::any_io_executor executor, clients::AuctioneerClientOptions options, HasLock has_lock,
                  base::Logger logger);

  void request(const AuctionLRP& auction);
  void request(const AuctionTask& auction);
  asio::awaitable<void> stop();

 private:
  template <typename Request>
  struct Waiting {
    Request request;
    std::string trace_id;
  };
  template <typename Request>
  struct Line {
    explicit Line(asio::any_io_executor executor) : changed(executor) {}
    std::deque<Waiting<Request>> waiting;
    base::Condition changed;
  };

  template <typename Request>
  void add(Line<Request>& line, Request request, const std::string& trace_id);
  template <typename Request>
  std::vector<Request> take(Line<Request>& line, std::string& trace_id);
  asio::awaitable<void> send_lrps();
  asio::awaitable<void> send_tasks();

  clients::AuctioneerClient client_;
  HasLock has_lock_;
  base::Logger logger_;
  Line<models::LRPStartRequest> lrps_;
  Line<models::TaskStartRequest> tasks_;
  base::TaskGroup senders_;
};

}  // namespace rivera::bbs
