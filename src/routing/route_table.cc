#include "routing/route_table.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "models/nouns/actual_lrp.h"

namespace rivera::routing {
namespace {

// §2.6: every tag is newer than an empty one; a tag of another epoch is always newer.
bool supersedes(const models::ModificationTag& candidate, const models::ModificationTag& current) {
  if (candidate.epoch().empty() || current.epoch().empty()) return true;
  return candidate.epoch() != current.epoch() || current.index() < candidate.index();
}

bool supersedes_or_is(const models::ModificationTag& candidate, const models::ModificationTag& current) {
  const bool same = candidate.epoch() == current.epoch() && candidate.index() == current.index();
  return same || supersedes(candidate, current);
}

bool is_evacuating(const models::ActualLRP& lrp) { return lrp.presence() == models::ActualLRP::EVACUATING; }

const std::string& guid_of(const models::ActualLRP& lrp) { return lrp.actual_lrp_instance_key().instance_guid(); }

std::uint16_t port_number(std::uint32_t value) { return value > 65535 ? 0 : static_cast<std::uint16_t>(value); }

std::string address_of(const RegistryMessage& m) {
  return fmt::format("{}:{}", m.host, m.tls_port != 0 ? m.tls_port : m.port);
}

std::string key_of(const RouteMessage& message) {
  return fmt::format("{} {} {}", static_cast<int>(message.kind), address_of(message.body), message.body.uris.front());
}

RegistryMessage internal_message(const Route& route, const std::string& container_address, std::int32_t index) {
  RegistryMessage m;
  m.host = container_address;
  m.private_instance_index = std::to_string(index);
  m.uris = {route.hostname, m.private_instance_index + "." + route.hostname};
  return m;
}

}  // namespace

RouteTable::Instance RouteTable::instance_from(const models::ActualLRP& lrp) const {
  const auto& net = lrp.actual_lrp_net_info();
  Instance instance;
  instance.index = lrp.actual_lrp_key().index();
  instance.host = net.address();
  instance.container_address = net.instance_address();
  instance.direct = net.preferred_address() == models::ActualLRPNetInfo::INSTANCE ||
                    (net.preferred_address() == models::ActualLRPNetInfo::UNKNOWN && direct_by_default_);
  for (const auto& p : net.ports()) {
    instance.ports.push_back({port_number(p.container_port()), port_number(p.host_port()),
                              port_number(p.container_tls_proxy_port()), port_number(p.host_tls_proxy_port())});
  }
  instance.since = lrp.since();
  instance.tag = lrp.modification_tag();
  instance.zone = lrp.availability_zone();
  return instance;
}

// The registrations of one instance guid; its ordinary and its evacuating record count as one.
RouteTable::Messages RouteTable::messages_of(const Process& process, const std::string& instance_guid) const {
  Messages out;
  if (!process.desired) return out;
  const DesiredRoutes& desired = *process.desired;
  for (const bool evacuating : {true, false}) {
    const auto found = process.instances.find({instance_guid, evacuating});
    if (found == process.instances.end()) continue;
    const Instance& instance = found->second;
    const auto add = [&](Route::Kind kind, RegistryMessage body) {
      body.app = desired.log_guid;
      body.tags["component"] = "route-emitter";
      RouteMessage message{kind, std::move(body)};
      auto key = key_of(message);
      out.insert_or_assign(std::move(key), std::move(message));
    };
    const auto tags = models::evaluated_tags(desired.metric_tags, instance.index, instance_guid);
    for (const Route& route : desired.routes) {
      if (route.kind == Route::Kind::kInternal)
        add(route.kind, internal_message(route, instance.container_address, instance.index));
      if (route.kind != Route::Kind::kHttp) continue;
      for (const Port& port : instance.ports) {
        if (port.container_port != route.container_port) continue;
        RegistryMessage m;
        m.host = instance.direct ? instance.container_address : instance.host;
        m.port = instance.direct ? port.container_port : port.host_port;
        m.tls_port = instance.direct ? port.container_tls_port : port.host_tls_port;
        if (m.port == 0 && m.tls_port == 0) continue;
        m.uris = {route.hostname};
        m.protocol = route.protocol;
        m.route_service_url = route.route_service_url;
        m.private_instance_id = instance_guid;
        m.private_instance_index = std::to_string(instance.index);
        m.server_cert_domain_san = instance_guid;
        m.isolation_segment = route.isolation_segment;
        m.tags = tags;
        m.availability_zone = instance.zone;
        m.options = route.options;
        add(route.kind, std::move(m));
      }
    }
  }
  return out;
}

RouteTable::Messages RouteTable::messages_of(const Process& process) const {
  Messages out;
  const std::string* last = nullptr;
  for (const auto& [key, instance] : process.instances) {
    if (last != nullptr && *last == key.first) continue;
    last = &key.first;
    out.merge(messages_of(process, key.first));
  }
  return out;
}

// `new_since` other than 0: the endpoint is new since that time.
void RouteTable::compare(const Messages& before, const Messages& after, std::int64_t new_since,
                         RouteChanges& changes) const {
  for (const auto& [key, message] : before) {
    if (!after.contains(key)) changes.unregistrations.push_back(message);
  }
  for (const auto& [key, message] : after) {
    const auto known = before.find(key);
    if (known != before.end() && known->second.body == message.body) continue;
    changes.registrations.push_back(message);
    if (known == before.end()) changes.registrations.back().body.endpoint_updated_at_ns = new_since;
  }
}

// Removes unregistrations of routes that another instance serves at the same address, and registers that instance
// instead.
void RouteTable::keep_routes_of_other_instances(RouteChanges& changes) const {
  std::set<MessageKey> registered;
  for (const auto& message : changes.registrations) registered.insert(key_of(message));
  std::vector<RouteMessage> kept;
  for (auto& message : changes.unregistrations) {
    const MessageKey key = key_of(message);
    if (registered.contains(key)) continue;
    const auto owners = owners_.find(address_of(message.body));
    bool served = false;
    if (owners != owners_.end()) {
      for (const Owner& owner : owners->second) {
        const auto process = processes_.find(owner.process_guid);
        if (process == processes_.end()) continue;
        const Messages others = messages_of(process->second, owner.instance_guid);
        const auto same = others.find(key);
        if (same == others.end()) continue;
        changes.registrations.push_back(same->second);
        registered.insert(key);
        served = true;
        break;
      }
    }
    if (!served) kept.push_back(std::move(message));
  }
  changes.unregistrations = std::move(kept);
}

namespace {

// Ports of an instance may be the same: it has each address once.
template <typename Instance>
std::set<std::string> addresses_of(const Instance& instance) {
  std::set<std::string> addresses;
  const std::string& host = instance.direct ? instance.container_address : instance.host;
  for (const auto& p : instance.ports) {
    const auto plain = instance.direct ? p.container_port : p.host_port;
    const auto tls = instance.direct ? p.container_tls_port : p.host_tls_port;
    const auto port = tls != 0 ? tls : plain;
    if (port != 0) addresses.insert(fmt::format("{}:{}", host, port));
  }
  addresses.insert(fmt::format("{}:0", instance.container_address));  // internal routes
  return addresses;
}

}  // namespace

void RouteTable::own(const Process& process, const std::string& process_guid, const InstanceKey& key,
                     std::vector<std::string>* collisions) {
  const Owner me{process_guid, key.first};
  for (const std::string& address : addresses_of(process.instances.at(key))) {
    auto& owners = owners_[address];
    if (std::find(owners.begin(), owners.end(), me) != owners.end()) continue;
    if (!owners.empty() && collisions != nullptr && !address.ends_with(":0")) collisions->push_back(address);
    owners.push_back(me);
  }
}

// The other record of the same guid may have the same address: it is added again.
void RouteTable::disown(const Process& process, const std::string& process_guid, const InstanceKey& key) {
  const Owner me{process_guid, key.first};
  for (const std::string& address : addresses_of(process.instances.at(key))) {
    const auto found = owners_.find(address);
    // Otherwise the routes of another instance at the address would be unregistered with this one's.
    RIVERA_CHECK(found != owners_.end() && std::erase(found->second, me) == 1, "an instance owns its addresses once");
    if (found->second.empty()) owners_.erase(found);
  }
  const InstanceKey twin{key.first, !key.second};
  if (process.instances.contains(twin)) own(process, process_guid, twin, nullptr);
}

void RouteTable::drop_instances_from(Process& process, const std::string& process_guid, std::int32_t first_index) {
  for (auto it = process.instances.begin(); it != process.instances.end();) {
    const auto current = it++;
    if (current->second.index < first_index) continue;
    disown(process, process_guid, current->first);
    process.instances.erase(current);
  }
}

void RouteTable::forget_if_empty(const std::string& process_guid) {
  const auto found = processes_.find(process_guid);
  if (found == processes_.end() || !found->second.instances.empty()) return;
  if (!found->second.desired || found->second.desired->routes.empty()) processes_.erase(found);
}

RouteChanges RouteTable::set_routes(DesiredRoutes desired) {
  RouteChanges changes;
  const std::string guid = desired.process_guid;
  Process& process = processes_[guid];
  if (process.desired && !supersedes(desired.modification_tag, process.desired->modification_tag)) return changes;
  const Messages before = messages_of(process);
  const bool fewer = process.desired && desired.instances < process.desired->instances;
  const std::int32_t instances = desired.instances;
  process.desired = std::move(desired);
  if (fewer || instances > 0) drop_instances_from(process, guid, instances);
  compare(before, messages_of(process), 0, changes);
  keep_routes_of_other_instances(changes);
  return changes;
}

RouteChanges RouteTable::remove_routes(const std::string& process_guid, const models::ModificationTag& tag) {
  RouteChanges changes;
  const auto found = processes_.find(process_guid);
  if (found == processes_.end() || !found->second.desired) return changes;
  Process& process = found->second;
  if (!supersedes_or_is(tag, process.desired->modification_tag)) return changes;
  const Messages before = messages_of(process);
  // The tag is kept while there are instances: late events of the removed process must not restore its routes.
  process.desired->routes.clear();
  process.desired->modification_tag = tag;
  compare(before, {}, 0, changes);
  keep_routes_of_other_instances(changes);
  forget_if_empty(process_guid);
  return changes;
}

RouteChanges RouteTable::add_instance(const models::ActualLRP& lrp) {
  RouteChanges changes;
  const std::string& process_guid = lrp.actual_lrp_key().process_guid();
  const InstanceKey key{guid_of(lrp), is_evacuating(lrp)};
  Process& process = processes_[process_guid];
  const std::int32_t desired = process.desired ? process.desired->instances : 0;
  const auto known = process.instances.find(key);
  const bool too_high = desired > 0 && lrp.actual_lrp_key().index() >= desired;
  const bool stale = known != process.instances.end() && !supersedes(lrp.modification_tag(), known->second.tag);
  if (too_high || stale) {
    forget_if_empty(process_guid);
    return changes;
  }
  const bool is_new = known == process.instances.end() && !process.instances.contains({key.first, !key.second});
  const Messages before = messages_of(process, key.first);
  if (known != process.instances.end()) disown(process, process_guid, key);
  process.instances[key] = instance_from(lrp);
  own(process, process_guid, key, &changes.collisions);
  compare(before, messages_of(process, key.first), is_new ? lrp.since() : 0, changes);
  keep_routes_of_other_instances(changes);
  return changes;
}

RouteChanges RouteTable::remove_instance(const models::ActualLRP& lrp) {
  RouteChanges changes;
  const std::string& process_guid = lrp.actual_lrp_key().process_guid();
  const InstanceKey key{guid_of(lrp), is_evacuating(lrp)};
  const auto found = processes_.find(process_guid);
  if (found == processes_.end()) return changes;
  Process& process = found->second;
  const auto known = process.instances.find(key);
  if (known == process.instances.end() || !supersedes_or_is(lrp.modification_tag(), known->second.tag)) return changes;
  const Messages before = messages_of(process, key.first);
  disown(process, process_guid, key);
  process.instances.erase(known);
  compare(before, messages_of(process, key.first), 0, changes);
  keep_routes_of_other_instances(changes);
  forget_if_empty(process_guid);
  return changes;
}

RouteChanges RouteTable::replace_with(RouteTable next, const std::set<std::string>& fresh_domains) {
  for (auto& [guid, process] : next.processes_) {
    if (process.desired) continue;
    const auto old = processes_.find(guid);
    if (old == processes_.end() || !old->second.desired) continue;
    if (!fresh_domains.contains(old->second.desired->domain)) process.desired = old->second.desired;
  }
  RouteChanges changes;
  const RouteTable before = std::exchange(*this, std::move(next));
  static const Process kNone;
  for (const auto& [guid, process] : processes_) {
    const auto found = before.processes_.find(guid);
    const Process& old = found == before.processes_.end() ? kNone : found->second;
    for (const auto& [key, instance] : process.instances) {
      const bool was_known = old.instances.contains({key.first, true}) || old.instances.contains({key.first, false});
      if (key.second && process.instances.contains({key.first, false})) continue;  // compared with its ordinary record
      const bool is_new = !was_known && old.desired.has_value();
      compare(before.messages_of(old, key.first), messages_of(process, key.first), is_new ? instance.since : 0,
              changes);
    }
  }
  for (const auto& [guid, old] : before.processes_) {
    const auto found = processes_.find(guid);
    for (const auto& [key, instance] : old.instances) {
      const bool stays = found != processes_.end() && (found->second.instances.contains({key.first, true}) ||
                                                       found->second.instances.contains({key.first, false}));
      if (!stays) compare(before.messages_of(old, key.first), {}, 0, changes);
    }
  }
  keep_routes_of_other_instances(changes);
  return changes;
}

void RouteTable::for_each_registration(const std::function<void(const RouteMessage&)>& visit) const {
  for (const auto& [guid, process] : processes_) {
    for (const auto& [key, message] : messages_of(process)) visit(message);
  }
}

std::vector<std::string> RouteTable::process_guids() const {
  std::vector<std::string> guids;
  guids.reserve(processes_.size());
  for (const auto& [guid, process] : processes_) guids.push_back(guid);
  return guids;
}

void RouteTable::for_each_registration_of(const std::string& process_guid,
                                          const std::function<void(const RouteMessage&)>& visit) const {
  const auto found = processes_.find(process_guid);
  if (found == processes_.end()) return;
  for (const auto& [key, message] : messages_of(found->second)) visit(message);
}

bool RouteTable::knows_routes_of(const std::string& process_guid) const {
  const auto found = processes_.find(process_guid);
  return found != processes_.end() && found->second.desired.has_value();
}

bool RouteTable::has_instances_of(const std::string& process_guid) const {
  const auto found = processes_.find(process_guid);
  return found != processes_.end() && !found->second.instances.empty();
}

std::size_t RouteTable::count(Route::Kind kind) const {
  std::size_t n = 0;
  for_each_registration([&](const RouteMessage& message) { n += message.kind == kind; });
  return n;
}

}  // namespace rivera::routing
