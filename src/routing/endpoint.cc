#include "routing/endpoint.h"

#include <fmt/format.h>

namespace rivera::routing {

bool parse_load_balancing(std::string_view text, LoadBalancing& into) {
  if (text == "round-robin") {
    into = LoadBalancing::kRoundRobin;
  } else if (text == "least-connection") {
    into = LoadBalancing::kLeastConnection;
  } else {
    return false;
  }
  return true;
}

std::string_view name_of(LoadBalancing algorithm) {
  switch (algorithm) {
    case LoadBalancing::kRoundRobin:
      return "round-robin";
    case LoadBalancing::kLeastConnection:
      return "least-connection";
  }
  return "";
}

std::string_view Endpoint::component() const {
  const auto found = tags.find("component");
  return found == tags.end() ? std::string_view() : std::string_view(found->second);
}

Endpoint endpoint_from(const RegistryMessage& m, std::chrono::milliseconds most_stale) {
  Endpoint e;
  e.host = m.host;
  e.tls = m.tls_port != 0;
  e.port = e.tls ? m.tls_port : m.port;
  e.address = fmt::format("{}:{}", e.host, e.port);
  if (!m.protocol.empty()) e.protocol = m.protocol;
  e.app = m.app;
  e.instance_id = m.private_instance_id;
  e.instance_index = m.private_instance_index;
  e.server_cert_domain_san = m.server_cert_domain_san;
  e.isolation_segment = m.isolation_segment;
  e.route_service_url = m.route_service_url;
  e.availability_zone = m.availability_zone;
  e.load_balancing = load_balancing_option(m.options);
  e.tags = m.tags;
  e.updated_at_ns = m.endpoint_updated_at_ns;
  // Compared as numbers of seconds: converting a huge value would overflow.
  const auto most = std::chrono::duration_cast<std::chrono::seconds>(most_stale).count();
  const bool shorter = m.stale_threshold_in_seconds > 0 && m.stale_threshold_in_seconds <= most;
  e.stale_threshold = shorter ? std::chrono::seconds(m.stale_threshold_in_seconds) : most_stale;
  return e;
}

}  // namespace rivera::routing
