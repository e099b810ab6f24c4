#include <array>
#include <set>
#include <stdexcept>

#include "models/testing/testing.h"
#include "routing/registry_message.h"
#include "routing/route_key.h"
#include "routing/route_registry.h"
#include "routing/route_table.h"
#include "routing/routing_info.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

using models::testing::a_desired_lrp;
using models::testing::an_actual_lrp;

constexpr routing::Instant kNow{};

bool has_line_end(std::string_view text) { return text.find_first_of("\r\n") != std::string_view::npos; }

// A router takes the message in, finds its routes, and takes them out again.
void route(const routing::RegistryMessage& message) {
  routing::RouteRegistry registry{routing::RegistryOptions{}};
  registry.register_endpoint(message, kNow);
  for (const auto& uri : message.uris) {
    // As a request for it names it.
    std::string_view asked = std::string_view(uri).substr(0, uri.find('?'));
    if (asked.starts_with('/')) asked.remove_prefix(1);
    const auto host = routing::host_of(asked);
    if (host.empty() || host.starts_with("*.")) continue;
    const auto pool = registry.lookup(host, routing::path_of(asked));
    if (!pool || pool->is_empty()) broken("a registered route is found: " + uri);
  }
  std::set<std::string> keys;
  for (const auto& uri : message.uris) keys.insert(routing::route_key(uri));
  if (registry.route_count() != keys.size()) broken("routes are counted");
  registry.unregister_endpoint(message, kNow);
  if (registry.route_count() != 0) broken("routes without endpoints are removed");
}

void registration(std::string_view text) {
  const auto message = routing::parse_registry_message(text);
  if (has_line_end(message.host) || has_line_end(message.app) || has_line_end(message.private_instance_id)) {
    broken("no text of a registration can end a line");
  }
  const auto again =
      must_accept("a registration is read", [&] { return routing::parse_registry_message(routing::to_json(message)); });
  if (again != message) broken("a registration reads as itself");
  route(message);
}

// A desired LRP's documents of routes, and instances that come and go: all that was registered is unregistered.
void documents(std::string_view text, const char* router_key) {
  models::DesiredLRP lrp = a_desired_lrp("p").with_instances(2);
  (*lrp.mutable_routes()->mutable_routes())[router_key] = std::string(text);
  auto desired = routing::desired_routes_of(lrp);
  desired.modification_tag.set_epoch("e");
  routing::RouteTable table(false);
  table.set_routes(desired);
  const models::ActualLRP instance = an_actual_lrp("p", 0).running_on("c1", "i1");
  const auto added = table.add_instance(instance);
  const auto removed = table.remove_instance(instance);
  if (added.registrations.size() != removed.unregistrations.size()) broken("what was registered is unregistered");
  table.remove_routes("p", desired.modification_tag);
  if (table.count(routing::Route::Kind::kHttp) != 0 || table.knows_routes_of("p")) broken("a table forgets its routes");
}

constexpr std::array<Target, 4> kMessages = {
    registration,
    [](std::string_view text) { documents(text, routing::kHttpRouterKey); },
    [](std::string_view text) { documents(text, routing::kTcpRouterKey); },
    [](std::string_view text) { documents(text, routing::kInternalRouterKey); },
};

}  // namespace

void route_messages(std::string_view bytes) {
  if (bytes.empty()) return;
  try {
    kMessages[static_cast<unsigned char>(bytes.front()) % kMessages.size()](bytes.substr(1));
  } catch (const std::invalid_argument& e) {
    if (std::string_view(e.what()).empty()) broken("an error has a text");
  }
}

}  // namespace rivera::fuzz
