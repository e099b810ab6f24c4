// The emitter's table of instances and their routes, by what the BBS last reported (docs/spec/routing.md §2.5-2.9).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/models.h"
#include "routing/registry_message.h"
#include "routing/routing_info.h"

namespace rivera::routing {

// A registration or an unregistration. Has exactly one URI; for internal routes, the two of §2.10.
struct RouteMessage {
  Route::Kind kind = Route::Kind::kHttp;
  RegistryMessage body;
};

// The messages to publish after a change, unregistrations first. No endpoint is in both lists.
struct RouteChanges {
  std::vector<RouteMessage> unregistrations;
  std::vector<RouteMessage> registrations;
  // Addresses that an added instance shares with another instance in the table: "10.0.0.1:61001".
  std::vector<std::string> collisions;

  bool empty() const { return unregistrations.empty() && registrations.empty(); }
};

// Passive: each operation applies one change and returns the messages that bring routers up to date. A repeated change
// has no effect; a change that is older than the table (by modification tag, §2.6) is ignored. No I/O, no clock.
//
// Where upstream publishes "unregister" and "register" for the same address and URI in one batch, only the registration
// is returned: it replaces the router's entry, and the order of the two does not matter. For the same reason the
// removal of an instance does not unregister a route of another instance at the same address.
class RouteTable {
 public:
  // With `direct_by_default`, instances without a preferred address are registered by their container's address.
  explicit RouteTable(bool direct_by_default) : direct_by_default_(direct_by_default) {}

  RouteChanges set_routes(DesiredRoutes desired);
  RouteChanges remove_routes(const std::string& process_guid, const models::ModificationTag& tag);
  // Does not check the record's state and `routable`: the caller does.
  RouteChanges add_instance(const models::ActualLRP& lrp);
  // The record's presence says which record of the instance is removed: the ordinary (or suspect) one, or the
  // evacuating one.
  RouteChanges remove_instance(const models::ActualLRP& lrp);
  // Replaces the content with `next`, a table filled by a complete fetch (§2.9). Keeps the routes of instances in
  // domains that are not fresh if `next` has none.
  RouteChanges replace_with(RouteTable next, const std::set<std::string>& fresh_domains);

  // Visits every registration. O(routes × instances).
  void for_each_registration(const std::function<void(const RouteMessage&)>& visit) const;
  // The same for one process at a time, for callers that publish in portions.
  std::vector<std::string> process_guids() const;
  void for_each_registration_of(const std::string& process_guid,
                                const std::function<void(const RouteMessage&)>& visit) const;

  // True if the routing info of the process is in the table, even without routes.
  bool knows_routes_of(const std::string& process_guid) const;
  bool has_instances_of(const std::string& process_guid) const;
  // Pairs of route and endpoint of that kind.
  std::size_t count(Route::Kind kind) const;

 private:
  struct Port {
    std::uint16_t container_port = 0;
    std::uint16_t host_port = 0;
    std::uint16_t container_tls_port = 0;
    std::uint16_t host_tls_port = 0;
  };
  struct Instance {
    std::int32_t index = 0;
    std::string host;
    std::string container_address;
    bool direct = false;
    std::vector<Port> ports;
    std::int64_t since = 0;
    models::ModificationTag tag;
    std::string zone;
  };
  using InstanceKey = std::pair<std::string, bool>;  // instance guid, evacuating
  struct Process {
    std::optional<DesiredRoutes> desired;
    std::map<InstanceKey, Instance> instances;
  };
  // What identifies a registration in a router: kind, address, first URI.
  using MessageKey = std::string;
  using Messages = std::map<MessageKey, RouteMessage>;
  struct Owner {
    std::string process_guid;
    std::string instance_guid;
    bool operator==(const Owner&) const = default;
  };

  Instance instance_from(const models::ActualLRP& lrp) const;
  Messages messages_of(const Process& process, const std::string& instance_guid) const;
  Messages messages_of(const Process& process) const;
  void compare(const Messages& before, const Messages& after, std::int64_t new_since, RouteChanges& changes) const;
  void keep_routes_of_other_instances(RouteChanges& changes) const;
  void own(const Process& process, const std::string& process_guid, const InstanceKey& key,
           std::vector<std::string>* collisions);
  void disown(const Process& process, const std::string& process_guid, const InstanceKey& key);
  void drop_instances_from(Process& process, const std::string& process_guid, std::int32_t first_index);
  void forget_if_empty(const std::string& process_guid);

  bool direct_by_default_;
  std::unordered_map<std::string, Process> processes_;
  std::unordered_map<std::string, std::vector<Owner>> owners_;  // by address
};

}  // namespace rivera::routing
