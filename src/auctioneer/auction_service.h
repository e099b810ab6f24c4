// The auctioneer's HTTP API (docs/spec/locket-and-auction.md §2.1).
#pragma once

#include "auctioneer/auctions/auction_loop.h"
#include "auctioneer/auctions/auctioneer_probe.h"
#include "base/log/log.h"
#include "net/http/http_router.h"

namespace rivera::auctioneer {

// POST /v1/lrps and POST /v1/tasks: reads start requests, logs and drops the invalid ones, and submits the others to
// the loop. Both are for the BBS; other callers get 403. Must outlive the server that uses its handler.
class AuctionService {
 public:
  AuctionService(AuctionLoop& loop, AuctioneerProbe& probe, base::Logger logger);
  AuctionService(const AuctionService&) = delete;
  AuctionService& operator=(const AuctionService&) = delete;

  net::HttpHandler handler();
  // Method and path of every route, sorted.
  std::vector<std::pair<std::string, std::string>> routes() const { return router_.routes(); }

 private:
  asio::awaitable<void> serve(net::HttpExchange& exchange);
  asio::awaitable<void> create_lrp_auctions(net::HttpExchange& exchange);
  asio::awaitable<void> create_task_auctions(net::HttpExchange& exchange);

  AuctionLoop& loop_;
  AuctioneerProbe& probe_;
  base::Logger logger_;
  net::HttpRouter router_;
  net::HttpHandler routes_;
};

}  // namespace rivera::auctioneer
