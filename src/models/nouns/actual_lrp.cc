#include "models/nouns/actual_lrp.h"

#include <algorithm>
#include <ranges>

namespace rivera::models {
namespace {

using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr nanoseconds kCrashResetTimeout = minutes(5);
constexpr std::int32_t kImmediateRestarts = 3;
constexpr std::int32_t kMaxRestarts = 200;
constexpr nanoseconds kFirstDelay = seconds(30);
constexpr nanoseconds kLongestDelay = minutes(16);
constexpr int kMaxDoublings = 5;

constexpr std::size_t kMaxStoredText = 1023;
constexpr std::string_view kTruncated = "(truncated)";

template <typename T>
bool same_elements(const google::protobuf::RepeatedPtrField<T>& a, const google::protobuf::RepeatedPtrField<T>& b) {
  return std::ranges::equal(a, b, [](const T& x, const T& y) { return x == y; });
}

bool same_tags(const google::protobuf::Map<std::string, std::string>& a,
               const google::protobuf::Map<std::string, std::string>& b) {
  if (a.size() != b.size()) return false;
  return std::ranges::all_of(a, [&b](const auto& tag) {
    auto other = b.find(tag.first);
    return other != b.end() && other->second == tag.second;
  });
}

bool same_routable(const ActualLRP& a, const ActualLRP& b) {
  return a.optional_routable_case() == b.optional_routable_case() && a.routable() == b.routable();
}

}  // namespace

LRPIndex index_of(const ActualLRPKey& key) { return {key.process_guid(), key.index()}; }
LRPIndex index_of(const ActualLRP& lrp) { return index_of(lrp.actual_lrp_key()); }
LRPSlot slot_of(const ActualLRP& lrp) {
  return {lrp.actual_lrp_key().process_guid(), lrp.actual_lrp_key().index(), lrp.presence()};
}

ActualLRPKey actual_lrp_key(std::string_view process_guid, std::int32_t index, std::string_view domain) {
  ActualLRPKey key;
  key.set_process_guid(std::string(process_guid));
  key.set_index(index);
  key.set_domain(std::string(domain));
  return key;
}

ActualLRPInstanceKey actual_lrp_instance_key(std::string_view instance_guid, std::string_view cell_id) {
  ActualLRPInstanceKey key;
  key.set_instance_guid(std::string(instance_guid));
  key.set_cell_id(std::string(cell_id));
  return key;
}

bool is_empty(const ActualLRPInstanceKey& key) { return key.instance_guid().empty() && key.cell_id().empty(); }

bool operator==(const ActualLRPKey& a, const ActualLRPKey& b) {
  return a.index() == b.index() && a.process_guid() == b.process_guid() && a.domain() == b.domain();
}

bool operator==(const ActualLRPInstanceKey& a, const ActualLRPInstanceKey& b) {
  return a.instance_guid() == b.instance_guid() && a.cell_id() == b.cell_id();
}

bool operator==(const ModificationTag& a, const ModificationTag& b) {
  return a.index() == b.index() && a.epoch() == b.epoch();
}

bool operator==(const PortMapping& a, const PortMapping& b) {
  return a.container_port() == b.container_port() && a.host_port() == b.host_port() &&
         a.container_tls_proxy_port() == b.container_tls_proxy_port() &&
         a.host_tls_proxy_port() == b.host_tls_proxy_port();
}

bool operator==(const ActualLRPNetInfo& a, const ActualLRPNetInfo& b) {
  return a.address() == b.address() && a.instance_address() == b.instance_address() &&
         a.preferred_address() == b.preferred_address() && a.instance_ipv6_address() == b.instance_ipv6_address() &&
         same_elements(a.ports(), b.ports());
}

bool operator==(const ActualLRPInternalRoute& a, const ActualLRPInternalRoute& b) {
  return a.hostname() == b.hostname();
}

bool operator==(const ActualLRP& a, const ActualLRP& b) {
  return a.modification_tag() == b.modification_tag() && a.since() == b.since() && a.state() == b.state() &&
         a.actual_lrp_key() == b.actual_lrp_key() && a.actual_lrp_instance_key() == b.actual_lrp_instance_key() &&
         a.actual_lrp_net_info() == b.actual_lrp_net_info() && a.crash_count() == b.crash_count() &&
         a.crash_reason() == b.crash_reason() && a.placement_error() == b.placement_error() &&
         a.presence() == b.presence() && a.availability_zone() == b.availability_zone() && same_routable(a, b) &&
         same_elements(a.actual_lrp_internal_routes(), b.actual_lrp_internal_routes()) &&
         same_tags(a.metric_tags(), b.metric_tags());
}

bool is_newer(const ModificationTag& candidate, const ModificationTag& current) {
  return candidate.epoch().empty() || current.epoch().empty() || candidate.epoch() != current.epoch() ||
         candidate.index() > current.index();
}

bool is_on_a_cell(const ActualLRP& lrp) { return lrp.state() == kClaimed || lrp.state() == kRunning; }

ActualLRP unclaimed_actual_lrp(const ActualLRPKey& key, std::int64_t since, std::string epoch) {
  ActualLRP lrp;
  *lrp.mutable_actual_lrp_key() = key;
  lrp.mutable_actual_lrp_instance_key();
  lrp.mutable_actual_lrp_net_info();
  lrp.set_state(std::string(kUnclaimed));
  lrp.set_since(since);
  lrp.mutable_modification_tag()->set_epoch(std::move(epoch));
  lrp.set_routable(false);
  return lrp;
}

bool transition_allowed(const ActualLRP& from, const ActualLRPKey& key, const ActualLRPInstanceKey& to_key,
                        std::string_view to_state) {
  if (!(from.actual_lrp_key() == key)) return false;
  const bool same_key = from.actual_lrp_instance_key() == to_key;
  if (to_state == kUnclaimed) return true;
  if (to_state == kClaimed) {
    return from.state() == kUnclaimed || (is_on_a_cell(from) && same_key);
  }
  if (to_state == kRunning) {
    return from.state() == kUnclaimed || from.state() == kClaimed || (from.state() == kRunning && same_key);
  }
  if (to_state == kCrashed) return is_on_a_cell(from) && same_key;
  return false;
}

std::int32_t crash_count_after(const ActualLRP& lrp, std::int64_t now_ns) {
  const bool ran_long = lrp.state() == kRunning && now_ns - lrp.since() > kCrashResetTimeout.count();
  return ran_long ? 1 : lrp.crash_count() + 1;
}

bool restarts_at_once(std::int32_t crash_count) { return crash_count < kImmediateRestarts; }

nanoseconds restart_delay(std::int32_t crash_count) {
  if (crash_count >= kMaxRestarts) return nanoseconds(-1);
  if (restarts_at_once(crash_count)) return nanoseconds(0);
  const int doublings = std::min(crash_count - kImmediateRestarts, kMaxDoublings);
  return std::min(kFirstDelay * (1 << doublings), kLongestDelay);
}

bool restart_due(std::int32_t crash_count, std::int64_t since_ns, std::int64_t now_ns) {
  const auto delay = restart_delay(crash_count);
  return delay >= nanoseconds(0) && now_ns >= since_ns + delay.count();
}

ActualLRPGroup fold(const std::vector<const ActualLRP*>& records) {
  // A suspect is CLAIMED or RUNNING, so it holds the slot unless the ordinary one is RUNNING.
  auto has_priority = [](const ActualLRP& candidate, const ActualLRP& holder) {
    if (candidate.presence() == ActualLRP::SUSPECT) return holder.state() != kRunning;
    return candidate.state() == kRunning;
  };
  ActualLRPGroup group;
  for (const auto* record : records) {
    if (record->presence() == ActualLRP::EVACUATING) {
      *group.mutable_evacuating() = *record;
    } else if (!group.has_instance() || has_priority(*record, group.instance())) {
      *group.mutable_instance() = *record;
    }
  }
  return group;
}

const ActualLRP* resolve(const ActualLRPGroup& group, bool* is_evacuating) {
  const bool instance_counts =
      group.has_instance() &&
      (!group.has_evacuating() || group.instance().state() == kRunning || group.instance().state() == kCrashed);
  if (is_evacuating != nullptr) *is_evacuating = !instance_counts && group.has_evacuating();
  if (instance_counts) return &group.instance();
  return group.has_evacuating() ? &group.evacuating() : nullptr;
}

ActualLRPInfo info_of(const ActualLRP& lrp) {
  ActualLRPInfo info;
  *info.mutable_actual_lrp_net_info() = lrp.actual_lrp_net_info();
  info.set_crash_count(lrp.crash_count());
  info.set_crash_reason(lrp.crash_reason());
  info.set_state(lrp.state());
  info.set_placement_error(lrp.placement_error());
  info.set_since(lrp.since());
  *info.mutable_modification_tag() = lrp.modification_tag();
  info.set_presence(lrp.presence());
  if (lrp.optional_routable_case() == ActualLRP::kRoutable) info.set_routable(lrp.routable());
  info.set_availability_zone(lrp.availability_zone());
  return info;
}

ActualLRP with_info(const ActualLRPKey& key, const ActualLRPInstanceKey& instance, const ActualLRPInfo& info) {
  ActualLRP lrp;
  *lrp.mutable_actual_lrp_key() = key;
  *lrp.mutable_actual_lrp_instance_key() = instance;
  *lrp.mutable_actual_lrp_net_info() = info.actual_lrp_net_info();
  lrp.set_crash_count(info.crash_count());
  lrp.set_crash_reason(info.crash_reason());
  lrp.set_state(info.state());
  lrp.set_placement_error(info.placement_error());
  lrp.set_since(info.since());
  *lrp.mutable_modification_tag() = info.modification_tag();
  lrp.set_presence(info.presence());
  if (info.optional_routable_case() == ActualLRPInfo::kRoutable) lrp.set_routable(info.routable());
  lrp.set_availability_zone(info.availability_zone());
  return lrp;
}

std::map<std::string, std::string> evaluated_tags(const google::protobuf::Map<std::string, MetricTagValue>& tags,
                                                  std::int32_t index, std::string_view instance_guid) {
  std::map<std::string, std::string> result;
  for (const auto& [name, value] : tags) {
    if (value.dynamic() == MetricTagValue::INDEX) {
      result[name] = std::to_string(index);
    } else if (value.dynamic() == MetricTagValue::INSTANCE_GUID) {
      result[name] = std::string(instance_guid);
    } else if (value.dynamic() == MetricTagValue::DynamicValueInvalid) {
      result[name] = value.static_();
    }
  }
  return result;
}

std::string truncated_for_storage(std::string_view text) {
  if (text.size() <= kMaxStoredText) return std::string(text);
  auto length = kMaxStoredText + 1 - kTruncated.size();
  // A byte 10xxxxxx continues a character: step back to where it begins.
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  return std::string(text.substr(0, length)).append(kTruncated);
}

}  // namespace rivera::models
