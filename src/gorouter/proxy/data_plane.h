// The state that the connections of one worker share.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/log/log.h"
#include "gorouter/backends/backend_pool.h"
#include "gorouter/replies/access_log.h"
#include "gorouter/settings/config.h"
#include "net/limits/head_budget.h"
#include "routing/route_registry.h"

namespace rivera::gorouter {

// The state that the health check reports.
enum class Health { kInitializing, kHealthy, kDegraded };

// Counters of the request path: plain numbers of one worker's strand, published every second (names in
// docs/spec/routing.md §3.25).
struct RouterProbe {
  std::uint64_t total_requests = 0;          // attempts to backends
  std::uint64_t responses_by_class[6] = {};  // 1xx .. 5xx; 0: anything else
  std::uint64_t rejected_requests = 0;
  std::uint64_t bad_gateways = 0;
  std::uint64_t backend_exhausted_conns = 0;
  std::uint64_t backend_invalid_id = 0;
  std::uint64_t backend_invalid_tls_cert = 0;
  std::uint64_t backend_tls_handshake_failed = 0;
  std::uint64_t websocket_upgrades = 0;
  std::uint64_t websocket_failures = 0;
  std::uint64_t latency_sum_us = 0;  // from request to response, of proxied requests
  std::uint64_t latency_count = 0;
  std::uint64_t client_connections = 0;  // open now
};

struct DataPlane {
  asio::any_io_executor executor;
  const Config& config;
  routing::RouteRegistry& registry;
  BackendPool& backends;
  AccessLog& access_log;
  RouterProbe& probe;
  base::Logger logger;
  std::string local_ip;
  std::shared_ptr<net::HeadBudget> heads = std::make_shared<net::HeadBudget>();  // of all clients
  Health health = Health::kInitializing;
  bool draining = false;
  std::string date = {};  // for Date fields; updated every second
  std::uint32_t random = 1;

  std::uint32_t next_random() {
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    return random;
  }
};

}  // namespace rivera::gorouter
