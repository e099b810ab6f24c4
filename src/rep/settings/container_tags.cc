#include "rep/settings/container_tags.h"

#include <charconv>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>

#include "models/nouns/actual_lrp.h"
#include "rep/settings/root_fs.h"

namespace rivera::rep {
namespace {

namespace json = boost::json;

std::string list_text(const models::StringList& list) {
  if (list.is_null()) return "null";
  return json::serialize(json::value_from(static_cast<const std::vector<std::string>&>(list)));
}

models::StringList list_of(const std::string& text) {
  boost::system::error_code ec;
  const auto value = json::parse(text, ec);
  if (ec || !value.is_array()) return {};
  try {
    return json::value_to<std::vector<std::string>>(value);
  } catch (const std::exception&) {
    return {};
  }
}

void put_placement(executor::Tags& tags, const models::PlacementConstraint& placement) {
  tags[kPlacementTagsTag] = list_text(placement.placement_tags);
  tags[kVolumeDriversTag] = list_text(placement.volume_drivers);
}

}  // namespace

Lifecycle lifecycle_of(const executor::Container& container) {
  const auto& text = container.tag(kLifecycleTag);
  if (text == "lrp") return Lifecycle::kLRP;
  if (text == "task") return Lifecycle::kTask;
  return Lifecycle::kUnknown;
}

executor::Tags tags_of(const models::CellLRP& lrp, const std::string& instance_guid) {
  executor::Tags tags{{kLifecycleTag, "lrp"},
                      {kDomainTag, lrp.domain},
                      {kProcessGuidTag, lrp.process_guid},
                      {kProcessIndexTag, std::to_string(lrp.index)},
                      {kInstanceGuidTag, instance_guid}};
  put_placement(tags, lrp.placement);
  return tags;
}

executor::Tags tags_of(const models::CellTask& task) {
  executor::Tags tags{{kLifecycleTag, "task"}, {kDomainTag, task.domain}};
  put_placement(tags, task.placement);
  return tags;
}

std::optional<LRPIdentity> lrp_identity(const executor::Container& container, const std::string& cell_id) {
  const auto& process_guid = container.tag(kProcessGuidTag);
  const auto& index_text = container.tag(kProcessIndexTag);
  const auto& domain = container.tag(kDomainTag);
  const auto& instance_guid = container.tag(kInstanceGuidTag);
  std::int32_t index = -1;
  const auto [end, ec] = std::from_chars(index_text.data(), index_text.data() + index_text.size(), index);
  const bool is_number = ec == std::errc() && end == index_text.data() + index_text.size() && !index_text.empty();
  if (!is_number || index < 0 || process_guid.empty() || domain.empty() || instance_guid.empty()) return std::nullopt;
  return LRPIdentity{.key = models::actual_lrp_key(process_guid, index, domain),
                     .instance = models::actual_lrp_instance_key(instance_guid, cell_id)};
}

models::PlacementConstraint placement_of(const executor::Container& container, const models::StackPathMap& stacks) {
  models::PlacementConstraint placement;
  placement.placement_tags = list_of(container.tag(kPlacementTagsTag));
  placement.volume_drivers = list_of(container.tag(kVolumeDriversTag));
  placement.root_fs = unresolve_root_fs(container.run_info.rootfs, stacks);
  return placement;
}

}  // namespace rivera::rep
