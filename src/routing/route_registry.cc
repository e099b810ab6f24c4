#include "routing/route_registry.h"

#include <algorithm>
#include <random>

#include "base/check.h"
#include "routing/route_key.h"

namespace rivera::routing {
namespace {

constexpr std::string_view kWildcard = "*.";
constexpr int kMostLabels = 128;  // no valid host name has more

std::size_t segments(std::string_view path) {
  return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

// At most `most` segments of a path.
std::string_view shortened(std::string_view path, std::size_t most) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '/' && most-- == 0) return path.substr(0, i);
  }
  return path;
}

}  // namespace

RouteRegistry::RouteRegistry(RegistryOptions options) : options_(std::move(options)), random_(std::random_device{}()) {}

bool RouteRegistry::is_in_our_segments(const RegistryMessage& message) const {
  switch (options_.sharding) {
    case Sharding::kAll:
      return true;
    case Sharding::kSharedAndSegments:
      return message.isolation_segment.empty() || options_.isolation_segments.contains(message.isolation_segment);
    case Sharding::kSegments:
      return options_.isolation_segments.contains(message.isolation_segment);
  }
  return false;
}

// The table that a key belongs to. Strips the leading "*." of a wildcard key.
RouteRegistry::Hosts& RouteRegistry::hosts_for(std::string_view& key) {
  if (!key.starts_with(kWildcard)) return hosts_;
  key.remove_prefix(kWildcard.size());
  return wildcards_;
}

RoutePool& RouteRegistry::pool_for(const std::string& uri) {
  const std::string whole_key = route_key(uri);
  std::string_view key = whole_key;
  Host& host = hosts_for(key)[std::string(host_of(key))];
  host.most_segments = std::max(host.most_segments, segments(path_of(key)));
  auto& pool = host.paths[std::string(path_of(key))];
  if (!pool) {
    std::string_view shown = uri;
    if (shown.starts_with('/')) shown.remove_prefix(1);
    random_ = random_ * 1664525u + 1013904223u;
    pool = std::make_shared<RoutePool>(std::string(host_of(shown)), routing::context_path(shown),
                                       options_.stale_threshold / 4, options_.load_balancing, random_ >> 8);
    ++routes_;
  }
  return *pool;
}

RegisterResult RouteRegistry::register_endpoint(const RegistryMessage& message, Instant now) {
  RegisterResult result;
  if (!is_in_our_segments(message) || message.uris.empty()) return result;
  const auto endpoint = std::make_shared<const Endpoint>(endpoint_from(message, options_.stale_threshold));
  for (const std::string& uri : message.uris) {
    const auto put = pool_for(uri).put(endpoint, now);
    ++(put == RoutePool::Put::kAdded ? result.added : result.updated);
  }
  last_update_ = now;
  return result;
}

int RouteRegistry::unregister_endpoint(const RegistryMessage& message, Instant now) {
  if (!is_in_our_segments(message)) return 0;
  int removed = 0;
  const Endpoint endpoint = endpoint_from(message, options_.stale_threshold);
  for (const std::string& uri : message.uris) {
    const std::string whole_key = route_key(uri);
    std::string_view key = whole_key;
    Hosts& hosts = hosts_for(key);
    const auto host = hosts.find(host_of(key));
    if (host == hosts.end()) continue;
    const auto pool = host->second.paths.find(path_of(key));
    if (pool == host->second.paths.end()) continue;
    const bool was_empty = pool->second->is_empty();
    if (pool->second->remove(endpoint.address)) ++removed;
    if (!pool->second->is_empty()) continue;
    if (!was_empty) pool->second->mark_emptied(now);
    if (is_removable(*pool->second, now)) erase_pool(whole_key);
  }
  if (removed > 0) last_update_ = now;
  return removed;
}

// If so configured, an empty pool stays for a while, for 503 instead of 404.
bool RouteRegistry::is_removable(const RoutePool& pool, Instant now) const {
  if (!pool.is_empty()) return false;
  const bool stays = options_.empty_pool_503 && options_.empty_pool_timeout.count() > 0;
  return !stays || now - pool.emptied_at() > options_.empty_pool_timeout;
}

void RouteRegistry::erase_pool(const std::string& whole_key) {
  std::string_view key = whole_key;
  Hosts& hosts = hosts_for(key);
  const auto host = hosts.find(host_of(key));
  if (host == hosts.end()) return;
  const auto pool = host->second.paths.find(path_of(key));
  if (pool == host->second.paths.end()) return;
  host->second.paths.erase(pool);
  RIVERA_CHECK(routes_ > 0, "no more routes go than were counted");
  --routes_;
  if (host->second.paths.empty()) hosts.erase(host);
}

// The longest registered prefix with endpoints; without one, the longest registered prefix.
std::shared_ptr<RoutePool> RouteRegistry::lookup_in(const Hosts& hosts, std::string_view key) {
  const auto host = hosts.find(host_of(key));
  if (host == hosts.end()) return nullptr;
  const auto& paths = host->second.paths;
  std::string_view path = shortened(path_of(key), host->second.most_segments);
  std::shared_ptr<RoutePool> empty;
  for (;;) {
    const auto found = paths.find(path);
    if (found != paths.end() && !found->second->is_empty()) return found->second;
    if (found != paths.end() && !empty) empty = found->second;
    if (path.empty()) return empty;
    path = path.substr(0, path.rfind('/'));
  }
}

std::shared_ptr<RoutePool> RouteRegistry::lookup(std::string_view host, std::string_view path) const {
  std::string uri;
  uri.reserve(host.size() + path.size());
  uri.append(host).append(path);
  const std::string whole_key = route_key(uri);
  std::string_view key = whole_key;
  if (key.starts_with(kWildcard)) {
    key.remove_prefix(kWildcard.size());
    if (auto pool = lookup_in(wildcards_, key)) return pool;
  } else if (auto pool = lookup_in(hosts_, key)) {
    return pool;
  }
  for (int label = 0; label < kMostLabels && !wildcards_.empty(); ++label) {
    const auto dot = key.find('.');
    if (dot == std::string_view::npos) return nullptr;
    key.remove_prefix(dot + 1);
    if (auto pool = lookup_in(wildcards_, key)) return pool;
  }
  return nullptr;
}

void RouteRegistry::remove_failed(RoutePool& pool, const Endpoint& endpoint, Instant now) {
  if (pool.remove(endpoint.address) && pool.is_empty()) pool.mark_emptied(now);
}

std::vector<RouteRegistry::Pruned> RouteRegistry::prune(Instant now) {
  std::vector<Pruned> pruned;
  std::vector<std::string> gone;
  for (auto* hosts : {&hosts_, &wildcards_}) {
    const std::string_view prefix = hosts == &wildcards_ ? kWildcard : std::string_view();
    for (auto& [host, entry] : *hosts) {
      for (auto& [path, pool] : entry.paths) {
        const bool was_empty = pool->is_empty();
        auto stale = pool->prune(now);
        if (stale.empty() && !pool->is_empty()) continue;
        const std::string key = std::string(prefix) + host + path;
        if (!stale.empty()) pruned.push_back({key, std::move(stale)});
        if (pool->is_empty() && !was_empty) pool->mark_emptied(now);
        if (is_removable(*pool, now)) gone.push_back(key);
      }
    }
  }
  for (const std::string& key : gone) erase_pool(key);
  return pruned;
}

void RouteRegistry::refresh_all(Instant now) {
  for (auto* hosts : {&hosts_, &wildcards_}) {
    for (const auto& [host, entry] : *hosts) {
      for (const auto& [path, pool] : entry.paths) pool->refresh_all(now);
    }
  }
}

void RouteRegistry::for_each_route(const std::function<void(const std::string&, const RoutePool&)>& visit) const {
  std::map<std::string, const RoutePool*> sorted;
  for (const auto* hosts : {&hosts_, &wildcards_}) {
    const std::string_view prefix = hosts == &wildcards_ ? kWildcard : std::string_view();
    for (const auto& [host, entry] : *hosts) {
      for (const auto& [path, pool] : entry.paths) sorted.emplace(std::string(prefix) + host + path, pool.get());
    }
  }
  for (const auto& [key, pool] : sorted) visit(key, *pool);
}

}  // namespace rivera::routing
