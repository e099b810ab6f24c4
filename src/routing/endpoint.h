// Where a router may send a request (docs/spec/routing.md §3.4, §3.6).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "routing/registry_message.h"

namespace rivera::routing {

// The time of the router's tables. Passed in by callers; no clock is read here.
using Instant = std::chrono::steady_clock::time_point;

enum class LoadBalancing { kRoundRobin, kLeastConnection };

// "round-robin" or "least-connection"; false for anything else.
bool parse_load_balancing(std::string_view text, LoadBalancing& into);
std::string_view name_of(LoadBalancing algorithm);

// The content of one registration. An immutable value: a new registration replaces it.
struct Endpoint {
  std::string address;  // "10.0.0.1:61001": host, and the TLS port if there is one
  std::string host;
  std::uint16_t port = 0;
  bool tls = false;
  std::string protocol = "http1";
  std::string app;
  std::string instance_id;
  std::string instance_index;
  std::string server_cert_domain_san;
  std::string isolation_segment;
  std::string route_service_url;
  std::string availability_zone;
  std::string load_balancing;  // as registered; may name no known algorithm
  std::map<std::string, std::string> tags;
  std::chrono::milliseconds stale_threshold{120'000};
  std::int64_t updated_at_ns = 0;

  bool operator==(const Endpoint&) const = default;

  // The id for sticky sessions: the instance's; the address if it has none.
  const std::string& id() const { return instance_id.empty() ? address : instance_id; }
  std::string_view component() const;
};

// `most_stale`: the router's own threshold, which a registration may only shorten. Throws std::invalid_argument for bad
// options.
Endpoint endpoint_from(const RegistryMessage& message, std::chrono::milliseconds most_stale);

}  // namespace rivera::routing
