// Telling the BBS what could not be placed.
#pragma once

#include "auctioneer/auctions/outcome.h"
#include "base/asio.h"
#include "base/log/log.h"
#include "clients/bbs_client.h"

namespace rivera::auctioneer {

// Sends each failure to the BBS, tasks first, some at a time. What the BBS refuses is logged and dropped. Once it does
// not answer at all, the rest is dropped too: convergence asks again for everything, and the next batch must not wait
// (docs/spec/locket-and-auction.md §4.8). The arguments must outlive the call.
asio::awaitable<void> report_failures(const Failures& failures, const auction::Batch& batch, clients::BbsClient& bbs,
                                      base::Logger logger);

}  // namespace rivera::auctioneer
