#include "routing/routing_info.h"

#include <limits>
#include <set>
#include <stdexcept>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace rivera::routing {
namespace {

namespace json = boost::json;

// The handling does not depend on what is malformed.
class Malformed : public std::runtime_error {
 public:
  Malformed() : std::runtime_error("malformed route document") {}
};

const json::value* member(const json::object& object, std::string_view name) {
  const auto* found = object.if_contains(json::string_view(name.data(), name.size()));
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::string text(const json::object& object, std::string_view name) {
  const auto* found = member(object, name);
  if (found == nullptr) return {};
  if (!found->is_string()) throw Malformed();
  return std::string(found->get_string());
}

std::uint32_t number(const json::object& object, std::string_view name) {
  const auto* found = member(object, name);
  if (found == nullptr) return 0;
  if (!found->is_int64() || found->get_int64() < 0 || found->get_int64() > std::numeric_limits<std::uint32_t>::max()) {
    throw Malformed();
  }
  return static_cast<std::uint32_t>(found->get_int64());
}

void add_http_routes(const json::object& object, std::vector<Route>& into) {
  Route route;
  route.kind = Route::Kind::kHttp;
  route.container_port = number(object, "port");
  route.route_service_url = text(object, "route_service_url");
  route.isolation_segment = text(object, "isolation_segment");
  route.protocol = text(object, "protocol");
  if (const auto* options = member(object, "options")) {
    if (!options->is_object()) throw Malformed();
    route.options = json::serialize(*options);
  }
  const auto* hostnames = member(object, "hostnames");
  if (hostnames == nullptr) return;
  if (!hostnames->is_array()) throw Malformed();
  for (const auto& hostname : hostnames->get_array()) {
    if (!hostname.is_string()) throw Malformed();
    route.hostname = std::string(hostname.get_string());
    into.push_back(route);
  }
}

void add_tcp_route(const json::object& object, std::vector<Route>& into) {
  Route route;
  route.kind = Route::Kind::kTcp;
  route.container_port = number(object, "container_port");
  route.router_group_guid = text(object, "router_group_guid");
  route.external_port = number(object, "external_port");
  into.push_back(std::move(route));
}

void add_internal_route(const json::object& object, std::vector<Route>& into) {
  Route route;
  route.kind = Route::Kind::kInternal;
  route.hostname = text(object, "hostname");
  into.push_back(std::move(route));
}

using AddRoutes = void (*)(const json::object&, std::vector<Route>&);

std::vector<Route> parse_document(const std::string& document, AddRoutes add) {
  boost::system::error_code ec;
  const auto value = json::parse(document, ec);
  if (ec) throw Malformed();
  std::vector<Route> routes;
  if (value.is_null()) return routes;
  if (!value.is_array()) throw Malformed();
  for (const auto& element : value.get_array()) {
    if (!element.is_object()) throw Malformed();
    add(element.get_object(), routes);
  }
  return routes;
}

void append_new(std::vector<Route>& all, std::vector<Route> more) {
  std::set<Route> seen;
  for (Route& route : more) {
    if (seen.insert(route).second) all.push_back(std::move(route));
  }
}

}  // namespace

DesiredRoutes desired_routes_of(const models::DesiredLRP& lrp, std::vector<std::string>* malformed) {
  DesiredRoutes desired;
  desired.process_guid = lrp.process_guid();
  desired.domain = lrp.domain();
  desired.log_guid = lrp.log_guid();
  desired.instances = lrp.instances();
  desired.modification_tag = lrp.modification_tag();
  desired.metric_tags = lrp.metric_tags();
  const std::pair<const char*, AddRoutes> readers[] = {
      {kHttpRouterKey, add_http_routes}, {kTcpRouterKey, add_tcp_route}, {kInternalRouterKey, add_internal_route}};
  for (const auto& [key, add] : readers) {
    const auto& documents = lrp.routes().routes();
    const auto found = documents.find(key);
    if (found == documents.end() || found->second.empty()) continue;
    try {
      append_new(desired.routes, parse_document(found->second, add));
    } catch (const Malformed&) {
      if (malformed != nullptr) malformed->push_back(key);
    }
  }
  return desired;
}

}  // namespace rivera::routing
