// Which instances serve which routes, as the BBS last told: the emitter's picture (docs/spec/routing.md §2.5-2.9).
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

// A registration or its withdrawal; it has exactly one URI or, if internal, the two of §2.10.
struct RouteMessage {
  Route::Kind kind = Route::Kind::kHttp;
  RegistryMessage body;
};

// What to say after a change. Nothing is both withdrawn and registered; withdrawals are to be said first.
struct RouteChanges {
  std::vector<RouteMessage> unregistrations;
  std::vector<RouteMessage> registrations;
  // Addresses that an added instance shares with one that is still known: "10.0.0.1:61001".
  std::vector<std::string> collisions;

  bool empty() const { return unregistrations.empty() && registrations.empty(); }
};

// Passive: each operation takes in one change and returns what brings routers up to date; saying the same twice changes
// nothing the second time, and older news than known (by modification tag, §2.6) are ignored. No I/O, no time.
//
// Where upstream says "unregister" and "register" for the same address and URI in one batch, only the registration is
// returned: a router replaces what it knows, and nothing can arrive in the wrong order. For the same reason an instance
// that goes does not take away the route of another at the same address.
class RouteTable {
 public:
  // With `direct_by_default`, instances without a preferred address are registered by their container's address.
  explicit RouteTable(bool direct_by_default) : direct_by_default_(direct_by_default) {}

  RouteChanges set_routes(DesiredRoutes desired);
  RouteChanges remove_routes(const std::string& process_guid, const models::ModificationTag& tag);
  // Takes the record as it is: whether its state and `routable` make it one to route to is the caller's question.
  RouteChanges add_instance(const models::ActualLRP& lrp);
  // The record's presence says which of the two, ordinary (or suspect) and evacuating, goes.
  RouteChanges remove_instance(const models::ActualLRP& lrp);
  // Becomes `next`, a table filled from a whole fetch (§2.9). Routes of instances in domains that are not fresh are
  // kept where `next` has none.
  RouteChanges replace_with(RouteTable next, const std::set<std::string>& fresh_domains);

  // Every registration there is. O(routes × instances).
  void for_each_registration(const std::function<void(const RouteMessage&)>& visit) const;
  // The same in portions, for those who cannot say everything in one go.
  std::vector<std::string> process_guids() const;
  void for_each_registration_of(const std::string& process_guid,
                                const std::function<void(const RouteMessage&)>& visit) const;

  // True if the routing part of that process is known, even if it has no routes.
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
  // What a router tells registrations apart by: kind, address, first URI.
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
  void keep_what_others_serve(RouteChanges& changes) const;
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
