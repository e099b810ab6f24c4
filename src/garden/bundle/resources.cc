#include "garden/bundle/resources.h"

#include <algorithm>
#include <limits>

#include <boost/json/array.hpp>

namespace rivera::garden {

namespace json = boost::json;
namespace api = clients::garden;

namespace {

json::object memory_resources(const api::MemoryLimits& limits, const Options& options, const Host& host) {
  json::object memory;
  if (limits.limit_in_bytes == 0) return memory;
  const auto limit = static_cast<std::int64_t>(
      std::min<std::uint64_t>(limits.limit_in_bytes, std::numeric_limits<std::int64_t>::max()));
  memory["limit"] = limit;
  if (!options.disable_swap_limit && host.has_swap_limit) memory["swap"] = limit;
  return memory;
}

json::object cpu_resources(const api::CpuLimits& limits, const Options& options) {
  json::object cpu;
  const std::uint64_t shares = limits.shares();
  if (shares == 0) return cpu;
  cpu["shares"] = shares;
  if (options.cpu_quota_per_share > 0) {
    constexpr std::uint64_t kPeriod = 100'000, kLeastQuota = 1'000;  // µs
    cpu["period"] = kPeriod;
    cpu["quota"] = std::max(shares * options.cpu_quota_per_share, kLeastQuota);
  }
  return cpu;
}

json::object to_json(const DeviceRule& rule) {
  json::object object{{"allow", true}, {"type", std::string(1, rule.type)}, {"access", rule.access}};
  if (rule.major) object["major"] = *rule.major;
  if (rule.minor) object["minor"] = *rule.minor;
  return object;
}

DeviceRule character_device(std::int64_t major, std::optional<std::int64_t> minor) {
  return {'c', major, minor, "rwm"};
}

// The operator's rules come first, each instead of the usual one for the same devices; one for all devices of a type
// instead of all usual ones of that type.
json::array device_rules(bool privileged, const Options& options) {
  std::vector<DeviceRule> usual{{'c', std::nullopt, std::nullopt, "m"},
                                {'b', std::nullopt, std::nullopt, "m"},
                                character_device(1, 3),
                                character_device(1, 8),
                                character_device(1, 7),
                                character_device(5, 0),
                                character_device(1, 5),
                                character_device(1, 9),
                                character_device(136, std::nullopt),
                                character_device(5, 2),
                                character_device(10, 200)};
  if (privileged) usual.push_back(character_device(10, 229));  // fuse
  json::array rules;
  rules.push_back(json::object{{"allow", false}, {"access", "rwm"}});
  if (privileged) {
    for (const auto& own : options.device_rules) {
      rules.push_back(to_json(own));
      std::erase_if(usual, [&own](const DeviceRule& rule) {
        const bool is_for_all = !own.major && !own.minor;
        return rule.type == own.type && (is_for_all || (rule.major == own.major && rule.minor == own.minor));
      });
    }
  }
  for (const auto& rule : usual) rules.push_back(to_json(rule));
  return rules;
}

}  // namespace

json::object resources_of(const api::Limits& limits, bool privileged, const Options& options, const Host& host) {
  json::object resources{{"devices", device_rules(privileged, options)}};
  resources["memory"] = memory_resources(limits.memory, options, host);
  resources["cpu"] = cpu_resources(limits.cpu, options);
  if (limits.pid.max > 0) resources["pids"] = {{"limit", limits.pid.max}};
  if (options.blockio_weight > 0) resources["blockIO"] = {{"weight", options.blockio_weight}};
  return resources;
}

}  // namespace rivera::garden
