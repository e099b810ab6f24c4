// The messages router.register, router.unregister and their service-discovery counterparts (docs/spec/routing.md §2.10,
// §3.4). Both the emitter and the router use it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rivera::routing {

// One endpoint and its URIs. Members that are empty or 0 are omitted from the JSON, except host, port and uris.
struct RegistryMessage {
  std::string host;
  std::uint16_t port = 0;
  std::uint16_t tls_port = 0;  // not 0: the endpoint speaks TLS there, and `port` is not used
  std::vector<std::string> uris;
  std::string protocol;  // "http1", "http2"
  std::string app;
  std::string route_service_url;
  std::string private_instance_id;
  std::string private_instance_index;
  std::string server_cert_domain_san;
  std::string isolation_segment;
  std::int64_t endpoint_updated_at_ns = 0;
  std::int64_t stale_threshold_in_seconds = 0;
  std::map<std::string, std::string> tags;
  std::string availability_zone;
  std::string options;  // a JSON object as text

  bool operator==(const RegistryMessage&) const = default;
};

std::string to_json(const RegistryMessage& message);

// Names match without case, unknown members and nulls are ignored. Throws std::invalid_argument naming the member whose
// type or range is wrong, or saying that the text is not a JSON object. The route service URL must be empty or https,
// the host empty, an IP address or a host name; no text may hold control characters.
RegistryMessage parse_registry_message(std::string_view json);

// The load-balancing algorithm that `options` asks for, "" if none. Throws std::invalid_argument if it is not a string.
std::string load_balancing_option(std::string_view options);

}  // namespace rivera::routing
