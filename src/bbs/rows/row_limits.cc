#include <algorithm>
#include <string_view>

#include "bbs/rows/column_codec.h"
#include "bbs/rows/rows.h"

namespace rivera::bbs {
namespace {

// VARCHAR counts characters; a NUL is refused by PostgreSQL.
bool fits(std::string_view text, std::ptrdiff_t limit = 255) {
  const auto characters =
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
  return characters <= limit && text.find('\0') == std::string_view::npos;
}

// MEDIUMTEXT holds 16 MiB of base64 of encrypted JSON, in which an escape takes up to six bytes for one.
constexpr std::size_t kMediumSealedLimit = 2'000'000;
constexpr std::size_t kShortTextLimit = 65'535;  // TEXT

template <typename Tags, typename SizeOf>
bool tags_fit(const Tags& tags, SizeOf size_of) {
  std::size_t total = 0;
  for (const auto& [name, value] : tags) total += name.size() + size_of(value);
  return total <= kMediumSealedLimit;
}

bool routes_fit(const models::ActualLRP& lrp) {
  std::size_t total = 0;
  for (const auto& route : lrp.actual_lrp_internal_routes()) total += route.hostname().size();
  return total <= kMediumSealedLimit;
}

bool fits(const ActualLRPRecord& r) {
  const auto& key = r.lrp.actual_lrp_key();
  const auto& instance = r.lrp.actual_lrp_instance_key();
  return fits(key.process_guid()) && fits(key.domain()) && fits(instance.instance_guid()) && fits(instance.cell_id()) &&
         fits(r.lrp.placement_error(), 1024) && fits(r.lrp.crash_reason(), 1024) && fits(r.lrp.availability_zone()) &&
         routes_fit(r.lrp) && tags_fit(r.metric_tags(), [](std::string_view tag) { return tag.size(); });
}

bool fits(const DesiredLRPRecord& r) {
  const auto& tags = r.lrp.placement_tags();
  return fits(r.lrp.process_guid()) && fits(r.lrp.domain()) && fits(r.lrp.log_guid()) && fits(r.lrp.root_fs(), 1024) &&
         fits(r.lrp.annotation(), 1 << 24) &&
         std::all_of(tags.begin(), tags.end(), [](const std::string& tag) { return fits(tag, 1 << 14); }) &&
         (tags.empty() || placement_tags_column(r.lrp).size() <= kShortTextLimit) &&
         tags_fit(r.lrp.metric_tags(), [](const models::MetricTagValue& tag) { return tag.static_().size(); });
}

bool fits(const TaskRecord& r) {
  return fits(r.task.task_guid()) && fits(r.task.domain()) && fits(r.task.cell_id()) &&
         fits(r.task.failure_reason(), 1024) && fits(r.task.rejection_reason(), 1024) && fits(r.task.result(), 1 << 30);
}

bool fits(const DomainRecord& r) { return fits(r.name); }

}  // namespace

bool fits_its_columns(const std::vector<Change>& changes) {
  return std::all_of(changes.begin(), changes.end(), [](const Change& change) {
    return std::visit([](const auto& swap) { return !swap.after || fits(*swap.after); }, change);
  });
}

}  // namespace rivera::bbs
