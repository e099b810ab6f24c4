#include "routing/route_pool.h"

#include <algorithm>

#include "base/check.h"

namespace rivera::routing {

RoutePool::RoutePool(std::string host, std::string context_path, std::chrono::nanoseconds retry_after_failure,
                     LoadBalancing default_algorithm, std::uint32_t first_index)
    : host_(std::move(host)),
      context_path_(std::move(context_path)),
      retry_after_failure_(retry_after_failure),
      algorithm_(default_algorithm),
      cursor_(first_index) {}

std::optional<std::size_t> RoutePool::position(std::string_view address) const {
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    if (elements_[i].endpoint->address == address) return i;
  }
  return std::nullopt;
}

RoutePool::Put RoutePool::put(std::shared_ptr<const Endpoint> endpoint, Instant now) {
  RIVERA_CHECK(endpoint != nullptr && !endpoint->address.empty(), "an endpoint has an address");
  // The latest registration decides for the whole route.
  route_service_url_ = endpoint->route_service_url;
  parse_load_balancing(endpoint->load_balancing, algorithm_);
  const auto known = position(endpoint->address);
  if (!known) {
    elements_.push_back({std::move(endpoint), now, std::nullopt});
    return Put::kAdded;
  }
  PoolElement& element = elements_[*known];
  element.refreshed = now;
  if (*element.endpoint == *endpoint) return Put::kUpdated;
  element.endpoint = std::move(endpoint);
  element.failed.reset();
  element.connections = std::make_shared<int>(0);
  return Put::kUpdated;
}

bool RoutePool::remove(std::string_view address) {
  const auto known = position(address);
  if (!known) return false;
  elements_.erase(elements_.begin() + static_cast<std::ptrdiff_t>(*known));
  return true;
}

std::vector<std::shared_ptr<const Endpoint>> RoutePool::prune(Instant now) {
  std::vector<std::shared_ptr<const Endpoint>> pruned;
  std::erase_if(elements_, [&](const PoolElement& element) {
    const bool stale = !element.endpoint->tls && now - element.refreshed > element.endpoint->stale_threshold;
    if (stale) pruned.push_back(element.endpoint);
    return stale;
  });
  return pruned;
}

void RoutePool::refresh_all(Instant now) {
  for (PoolElement& element : elements_) element.refreshed = now;
}

bool RoutePool::is_overloaded(int max_connections) const {
  if (max_connections <= 0 || elements_.empty()) return false;
  return std::all_of(elements_.begin(), elements_.end(),
                     [&](const PoolElement& element) { return *element.connections >= max_connections; });
}

const PoolElement* RoutePool::find(std::string_view address_or_instance_id) const {
  for (const PoolElement& element : elements_) {
    if (element.endpoint->instance_id == address_or_instance_id) return &element;
  }
  const auto known = position(address_or_instance_id);
  return known ? &elements_[*known] : nullptr;
}

void RoutePool::mark_failed(std::string_view address, Instant now) {
  if (const auto known = position(address)) elements_[*known].failed = now;
}

std::shared_ptr<RoutePool> RoutePool::empty_copy() const {
  auto copy = std::make_shared<RoutePool>(host_, context_path_, retry_after_failure_, algorithm_, cursor_);
  copy->route_service_url_ = route_service_url_;
  return copy;
}

std::shared_ptr<RoutePool> RoutePool::restricted_to_app(std::string_view app, std::string_view index) const {
  std::shared_ptr<RoutePool> found;
  for (const PoolElement& element : elements_) {
    if (element.endpoint->app != app || element.endpoint->instance_index != index) continue;
    found = empty_copy();
    found->elements_.push_back({element.endpoint, element.refreshed, std::nullopt, element.connections});
  }
  return found;
}

std::shared_ptr<RoutePool> RoutePool::restricted_to_process(std::string_view process_id, std::string_view index) const {
  auto found = empty_copy();
  for (const PoolElement& element : elements_) {
    const auto tag = element.endpoint->tags.find("process_id");
    if (tag == element.endpoint->tags.end() || tag->second != process_id) continue;
    if (!index.empty() && element.endpoint->instance_index != index) continue;
    found->elements_.push_back({element.endpoint, element.refreshed, std::nullopt, element.connections});
  }
  return found->is_empty() ? nullptr : found;
}

EndpointChooser::EndpointChooser(std::shared_ptr<RoutePool> pool, ChooserOptions options, std::uint32_t random)
    : pool_(std::move(pool)), options_(std::move(options)), random_(random) {}

std::optional<PoolElement> EndpointChooser::next(Instant now) {
  ++attempts_;
  if (!options_.sticky_id.empty()) {
    auto found = sticky();
    // With must_stick no other endpoint is chosen; otherwise the sticky one is tried first only.
    if (found || options_.must_stick) return found;
    options_.sticky_id.clear();
  }
  if (pool_->elements_.empty()) return std::nullopt;
  return pool_->algorithm_ == LoadBalancing::kLeastConnection ? by_connections(now) : by_round(now);
}

std::optional<PoolElement> EndpointChooser::sticky() {
  const PoolElement* found = pool_->find(options_.sticky_id);
  if (attempts_ > 1 && !options_.must_stick) found = nullptr;
  if (found == nullptr || is_overloaded(*found)) return std::nullopt;
  return *found;
}

bool EndpointChooser::is_overloaded(const PoolElement& element) const {
  return options_.max_connections > 0 && *element.connections >= options_.max_connections;
}

// Clears a failure after the retry interval.
bool EndpointChooser::is_failed(PoolElement& element, Instant now) const {
  if (element.failed && now - *element.failed > pool_->retry_after_failure_) element.failed.reset();
  return element.failed.has_value();
}

std::optional<PoolElement> EndpointChooser::by_round(Instant now) {
  auto& elements = pool_->elements_;
  if (!begun_) position_ = pool_->cursor_++;
  begun_ = true;
  const bool in_zone_only = options_.prefer_zone && attempts_ == 1 && !options_.zone.empty();
  for (const bool pass_over : {true, false}) {
    for (std::size_t i = 0; i < elements.size(); ++i) {
      PoolElement& element = elements[position_ % elements.size()];
      ++position_;
      if (is_overloaded(element)) continue;
      const bool elsewhere = in_zone_only && element.endpoint->availability_zone != options_.zone;
      if (pass_over && (elsewhere || is_failed(element, now))) continue;
      return element;
    }
    // Every endpoint with room has failed or is in another zone: clear the failures and consider all zones.
    for (PoolElement& element : elements) element.failed.reset();
  }
  return std::nullopt;
}

std::optional<PoolElement> EndpointChooser::by_connections(Instant now) {
  auto& elements = pool_->elements_;
  const bool in_zone_only = options_.prefer_zone && attempts_ == 1 && !options_.zone.empty();
  for (const bool pass_over : {true, false}) {
    PoolElement* best = nullptr;
    for (std::size_t i = 0; i < elements.size(); ++i) {
      // From a random position, so that endpoints with equal counts share the load.
      PoolElement& element = elements[(random_ + static_cast<std::uint32_t>(attempts_) + i) % elements.size()];
      if (is_overloaded(element)) continue;
      const bool elsewhere = in_zone_only && element.endpoint->availability_zone != options_.zone;
      if (pass_over && (elsewhere || is_failed(element, now))) continue;
      if (best == nullptr || *element.connections < *best->connections) best = &element;
    }
    if (best != nullptr) return *best;
  }
  return std::nullopt;
}

}  // namespace rivera::routing
