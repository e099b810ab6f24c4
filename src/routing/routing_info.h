// The `routes` of a desired LRP (docs/spec/routing.md §1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/models.h"

namespace rivera::routing {

inline constexpr char kHttpRouterKey[] = "cf-router";
inline constexpr char kTcpRouterKey[] = "tcp-router";
inline constexpr char kInternalRouterKey[] = "internal-router";

// One route of one process. Which members are used depends on the kind; the others are empty.
struct Route {
  enum class Kind { kHttp, kTcp, kInternal };
  Kind kind = Kind::kHttp;
  std::uint32_t container_port = 0;  // 0 for internal routes, which have no port
  std::string hostname;              // may have a leading "*." and a context path: http, internal
  std::string route_service_url;     // http, as are the next three
  std::string isolation_segment;
  std::string protocol;
  std::string options;              // a JSON object as text
  std::string router_group_guid;    // tcp
  std::uint32_t external_port = 0;  // tcp

  auto operator<=>(const Route&) const = default;
};

// The routing part of a desired LRP.
struct DesiredRoutes {
  std::string process_guid;
  std::string domain;
  std::string log_guid;
  std::int32_t instances = 0;
  models::ModificationTag modification_tag;
  std::vector<Route> routes;  // without duplicates, in the order of the document; http, tcp, internal
  google::protobuf::Map<std::string, models::MetricTagValue> metric_tags;
};

// Reads the three router documents and ignores others (diego-ssh contains secrets). A malformed document counts as
// absent; its key is then added to `malformed` (may be null).
DesiredRoutes desired_routes_of(const models::DesiredLRP& lrp, std::vector<std::string>* malformed = nullptr);

}  // namespace rivera::routing
