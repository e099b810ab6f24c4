#include <algorithm>
#include <string_view>

#include "bbs/rows/rows.h"

namespace rivera::bbs {
namespace {

// VARCHAR counts characters; a NUL is refused by PostgreSQL.
bool fits(std::string_view text, std::ptrdiff_t limit = 255) {
  const auto characters =
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
  return characters <= limit && text.find('\0') == std::string_view::npos;
}

bool fits(const ActualLRPRecord& r) {
  const auto& key = r.lrp.actual_lrp_key();
  const auto& instance = r.lrp.actual_lrp_instance_key();
  return fits(key.process_guid()) && fits(key.domain()) && fits(instance.instance_guid()) && fits(instance.cell_id()) &&
         fits(r.lrp.placement_error(), 1024) && fits(r.lrp.crash_reason(), 1024) && fits(r.lrp.availability_zone());
}

bool fits(const DesiredLRPRecord& r) {
  const auto& tags = r.lrp.placement_tags();
  return fits(r.lrp.process_guid()) && fits(r.lrp.domain()) && fits(r.lrp.log_guid()) && fits(r.lrp.root_fs(), 1024) &&
         fits(r.lrp.annotation(), 1 << 24) &&
         std::all_of(tags.begin(), tags.end(), [](const std::string& tag) { return fits(tag, 1 << 14); });
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
