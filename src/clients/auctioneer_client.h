// A typed client of the auctioneer's API (docs/spec/locket-and-auction.md §2).
#pragma once

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/asio.h"
#include "models/placement/auction_json.h"
#include "net/http/http_client.h"

namespace rivera::clients {

struct AuctioneerClientOptions {
  std::string url;          // "https://auctioneer.service.cf.internal:9016"
  net::TlsFiles tls;        // all three, or none for plain HTTP
  bool require_tls = true;  // false: an https request that finds no TLS server is sent once more over http (§2.3)
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(10);
};

// Used on its executor only.
//
// Each call returns once the auctioneer has taken the requests in (202). Throws net::TransportError or
// base::DeadlineExceeded if no answer came (a passive auctioneer has no listening socket), and std::runtime_error("http
// error: status code <n>
// (<reason>)") on any other status. Callers log the failure and continue: convergence asks again.
class AuctioneerClient {
 public:
  // Throws std::invalid_argument for a bad URL, std::runtime_error naming a bad TLS file.
  AuctioneerClient(asio::any_io_executor executor, AuctioneerClientOptions options);
  ~AuctioneerClient();

  // `trace_id` becomes X-Vcap-Request-Id.
  asio::awaitable<void> request_lrp_auctions(std::vector<models::LRPStartRequest> requests, std::string trace_id);
  asio::awaitable<void> request_task_auctions(std::vector<models::TaskStartRequest> requests, std::string trace_id);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace rivera::clients
