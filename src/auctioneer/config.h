// The auctioneer's configuration file (docs/spec/locket-and-auction.md §2.4).
#pragma once

#include <chrono>
#include <string>

#include "auction/placement.h"
#include "base/config/config.h"
#include "base/log/log_settings.h"
#include "clients/locket/locket_client.h"
#include "clients/loggregator_client.h"
#include "net/limits/client_limits.h"
#include "net/stream/access_control.h"
#include "net/stream/tls.h"

namespace rivera::auctioneer {

struct Config {
  std::string uuid;            // owner of the lock
  std::string listen_address;  // "0.0.0.0:9016"
  net::TlsFiles server_tls;    // all three for mutual TLS, or none for plain HTTP
  net::Authorization authorization = net::Authorization::kAny;
  net::ClientLimits client_limits;
  std::string debug_address;  // "" = none

  std::string bbs_address;
  net::TlsFiles bbs_tls;
  net::TlsFiles rep_tls;
  clients::LocketClientOptions locket;

  std::size_t workers = 1000;  // concurrent requests to cells
  std::chrono::nanoseconds communication_timeout =
      std::chrono::seconds(10);                                            // calls to the BBS, and work sent to cells
  std::chrono::nanoseconds cell_state_timeout = std::chrono::seconds(10);  // of a request for a cell's state
  auction::PlacementOptions placement;

  std::chrono::nanoseconds report_interval = std::chrono::minutes(1);
  base::LogSettings log;
  clients::LoggregatorOptions loggregator;
  base::ConfigNotices notices;  // to be logged at start
};

// Every key that upstream knows, and ours.
const base::ConfigKeys& config_keys();

// Throws base::ConfigError.
//
// Weights and the limit of starting containers have no built-in defaults: an absent key is zero. A timeout of zero,
// which means no timeout upstream, is a minute here, which is also the maximum of the state timeout: a connection that
// stays open must not block the auctions (§9 no. 6).
Config load_config(const std::string& path);

}  // namespace rivera::auctioneer
