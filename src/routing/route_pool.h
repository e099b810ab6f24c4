// The endpoints of one route, and the choice among them (docs/spec/routing.md §3.6, §3.9).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "routing/endpoint.h"

namespace rivera::routing {

// An endpoint of one route. Shared by the pool and the requests in progress.
struct PoolElement {
  std::shared_ptr<const Endpoint> endpoint;
  Instant refreshed;                                            // when it was last registered
  std::optional<Instant> failed;                                // when an attempt last failed
  std::shared_ptr<int> connections = std::make_shared<int>(0);  // requests that wait for its response head
};

// Passive; used on its router's strand. Endpoints keep the order of their registration.
class RoutePool {
 public:
  // `retry_after_failure`: how long a failed endpoint is avoided. `first_index` is where round-robin begins.
  RoutePool(std::string host, std::string context_path, std::chrono::nanoseconds retry_after_failure,
            LoadBalancing default_algorithm, std::uint32_t first_index);

  enum class Put { kAdded, kUpdated };
  // An unknown load-balancing algorithm is ignored.
  Put put(std::shared_ptr<const Endpoint> endpoint, Instant now);
  // By address. False if there is none.
  bool remove(std::string_view address);
  // Removes and returns the endpoints that are stale at `now`; TLS endpoints never are.
  std::vector<std::shared_ptr<const Endpoint>> prune(Instant now);
  void refresh_all(Instant now);

  const std::vector<PoolElement>& elements() const { return elements_; }
  bool is_empty() const { return elements_.empty(); }
  const std::string& host() const { return host_; }
  const std::string& context_path() const { return context_path_; }
  const std::string& route_service_url() const { return route_service_url_; }
  LoadBalancing load_balancing() const { return algorithm_; }
  Instant emptied_at() const { return emptied_at_; }
  void mark_emptied(Instant now) { emptied_at_ = now; }

  // True if every endpoint is at the limit of open requests (0: no limit).
  bool is_overloaded(int max_connections) const;
  const PoolElement* find(std::string_view address_or_instance_id) const;
  void mark_failed(std::string_view address, Instant now);

  // A pool of the one endpoint with this application id and index, or this process id (tag process_id) and index; with
  // an empty `index`, of all endpoints of the process. nullptr if there is none.
  std::shared_ptr<RoutePool> restricted_to_app(std::string_view app, std::string_view index) const;
  std::shared_ptr<RoutePool> restricted_to_process(std::string_view process_id, std::string_view index) const;

 private:
  friend class EndpointChooser;
  std::optional<std::size_t> position(std::string_view address) const;
  std::shared_ptr<RoutePool> empty_copy() const;

  std::string host_;
  std::string context_path_;
  std::chrono::nanoseconds retry_after_failure_;
  LoadBalancing algorithm_;
  std::uint32_t cursor_;
  std::string route_service_url_;
  std::vector<PoolElement> elements_;
  Instant emptied_at_{};
};

struct ChooserOptions {
  int max_connections = 0;  // of one endpoint; 0: no limit
  bool prefer_zone = false;
  std::string zone;
  std::string sticky_id;    // an instance id or an address; "" for none
  bool must_stick = false;  // no other endpoint may be chosen
};

// The sequence of endpoints that one request tries.
class EndpointChooser {
 public:
  EndpointChooser(std::shared_ptr<RoutePool> pool, ChooserOptions options, std::uint32_t random);

  // The endpoint for the next attempt; nullopt if none may be used. The caller increments the element's counter while
  // it waits.
  std::optional<PoolElement> next(Instant now);
  void mark_failed(const Endpoint& endpoint, Instant now) { pool_->mark_failed(endpoint.address, now); }
  RoutePool& pool() { return *pool_; }

 private:
  std::optional<PoolElement> sticky();
  std::optional<PoolElement> by_round(Instant now);
  std::optional<PoolElement> by_connections(Instant now);
  bool is_overloaded(const PoolElement& element) const;
  bool is_failed(PoolElement& element, Instant now) const;

  std::shared_ptr<RoutePool> pool_;
  ChooserOptions options_;
  std::uint32_t random_;
  std::uint32_t position_ = 0;
  bool begun_ = false;
  int attempts_ = 0;
};

}  // namespace rivera::routing
