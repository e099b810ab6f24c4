// Reports the failures of a batch to the BBS.
#pragma once

#include "auctioneer/auctions/batch_failures.h"
#include "base/asio.h"
#include "base/log/log.h"
#include "clients/bbs_client.h"

namespace rivera::auctioneer {

// Reports each failure to the BBS, tasks first, with limited concurrency. Logs and drops what the BBS refuses. Drops
// the rest once the BBS does not respond: convergence requests everything again, and the next batch must not wait
// (docs/spec/locket-and-auction.md §4.8). The arguments must outlive the call.
asio::awaitable<void> report_failures(const BatchFailures& failures, const auction::Batch& batch,
                                      clients::BbsClient& bbs, base::Logger logger);

}  // namespace rivera::auctioneer
