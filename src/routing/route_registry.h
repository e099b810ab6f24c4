// All routes of a router (docs/spec/routing.md §3.4-3.8).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "routing/registry_message.h"
#include "routing/route_pool.h"

namespace rivera::routing {

enum class Sharding { kAll, kSharedAndSegments, kSegments };

struct RegistryOptions {
  std::chrono::milliseconds stale_threshold{120'000};
  LoadBalancing load_balancing = LoadBalancing::kRoundRobin;
  Sharding sharding = Sharding::kAll;
  std::set<std::string> isolation_segments;
  bool empty_pool_503 = false;
  std::chrono::nanoseconds empty_pool_timeout{0};
};

struct RegisterResult {
  int added = 0;  // URIs for which the endpoint is new
  int updated = 0;
};

// Passive: applies messages, answers lookups. The time is passed in. Used on its router's strand. A lookup costs at
// most one hash probe for each path segment of the host's longest route, and, if wildcard routes exist, for each label
// of the host.
class RouteRegistry {
 public:
  explicit RouteRegistry(RegistryOptions options);

  // Ignores messages for other isolation segments. Throws std::invalid_argument for bad options in the message.
  RegisterResult register_endpoint(const RegistryMessage& message, Instant now);
  // The number of URIs from which the address was removed.
  int unregister_endpoint(const RegistryMessage& message, Instant now);

  // The pool for a request: `host` without port, `path` as sent. nullptr: unknown route. A pool that is found may be
  // empty.
  std::shared_ptr<RoutePool> lookup(std::string_view host, std::string_view path) const;

  // Removes an endpoint that cannot be reached, or whose identity is wrong, from this pool only. An empty pool stays
  // until the next prune().
  void remove_failed(RoutePool& pool, const Endpoint& endpoint, Instant now);

  struct Pruned {
    std::string route;
    std::vector<std::shared_ptr<const Endpoint>> endpoints;
  };
  // Removes endpoints that were not registered again in time.
  std::vector<Pruned> prune(Instant now);
  // Counts every endpoint as registered at `now`: for the time after the bus was disconnected.
  void refresh_all(Instant now);

  std::size_t route_count() const { return routes_; }
  std::optional<Instant> last_update() const { return last_update_; }
  // Sorted by key.
  void for_each_route(const std::function<void(const std::string& key, const RoutePool&)>& visit) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Host {
    // By path without host: "" or "/a/b".
    std::unordered_map<std::string, std::shared_ptr<RoutePool>, Hash, std::equal_to<>> paths;
    std::size_t most_segments = 0;  // the most that any path of this host has had: the limit for prefixes in a lookup
  };
  using Hosts = std::unordered_map<std::string, Host, Hash, std::equal_to<>>;

  bool is_in_our_segments(const RegistryMessage& message) const;
  RoutePool& pool_for(const std::string& uri);
  static std::shared_ptr<RoutePool> lookup_in(const Hosts& hosts, std::string_view key);
  Hosts& hosts_for(std::string_view& key);
  bool is_removable(const RoutePool& pool, Instant now) const;
  void erase_pool(const std::string& key);

  RegistryOptions options_;
  Hosts hosts_;
  Hosts wildcards_;  // by the part after "*."
  std::size_t routes_ = 0;
  std::optional<Instant> last_update_;
  std::uint32_t random_;
};

}  // namespace rivera::routing
