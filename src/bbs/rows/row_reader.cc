#include <array>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

#include "bbs/rows/column_codec.h"
#include "bbs/rows/rows.h"

namespace rivera::bbs {
namespace {

// A table as its rows are read: first the columns of the key, then those below; the readers use these positions.
struct Source {
  const char* table;
  const char* condition;  // on the key
  const char* columns;    // all
  int sealed;             // the first column that is encrypted; -1 = none
};

const Source& source_of(RecordKind kind) {
  static const Source kDomains{"domains", "domain = ?", "domain, expire_time", -1};
  static const Source kTasks{
      "tasks", "guid = ?",
      "guid, domain, updated_at, created_at, first_completed_at, state, cell_id, result, failed, "
      "failure_reason, task_definition, rejection_count, rejection_reason",
      10};
  static const Source kDesiredLRPs{
      "desired_lrps", "process_guid = ?",
      "process_guid, domain, log_guid, annotation, instances, memory_mb, disk_mb, rootfs, routes, volume_placement, "
      "modification_tag_epoch, modification_tag_index, run_info, placement_tags, max_pids, metric_tags, "
      "update_strategy",
      12};
  static const Source kActualLRPs{
      "actual_lrps", "process_guid = ? AND instance_index = ? AND presence = ?",
      "process_guid, instance_index, presence, domain, state, instance_guid, cell_id, placement_error, since, "
      "net_info, modification_tag_epoch, modification_tag_index, crash_count, crash_reason, internal_routes, "
      "metric_tags, routable, availability_zone",
      9};
  switch (kind) {
    case RecordKind::kDomain:
      return kDomains;
    case RecordKind::kTask:
      return kTasks;
    case RecordKind::kDesiredLRP:
      return kDesiredLRPs;
    case RecordKind::kActualLRP:
      return kActualLRPs;
  }
  return kDomains;
}

// One text a kind, made once.
template <typename Make>
std::array<std::string, std::size(kRecordKinds)> for_each_kind(Make make) {
  std::array<std::string, std::size(kRecordKinds)> texts;
  for (const RecordKind kind : kRecordKinds) texts[static_cast<std::size_t>(kind)] = make(source_of(kind));
  return texts;
}

ActualLRPPtr read_actual_lrp(const sql::Row& row, const ColumnCipher& cipher) {
  models::ActualLRP lrp;
  auto* key = lrp.mutable_actual_lrp_key();
  key->set_process_guid(std::string(row.text(0)));
  key->set_index(static_cast<std::int32_t>(row.integer(1)));
  key->set_domain(std::string(row.text(3)));
  lrp.set_presence(static_cast<models::ActualLRP::Presence>(row.integer(2)));
  lrp.set_state(std::string(row.text(4)));
  lrp.mutable_actual_lrp_instance_key()->set_instance_guid(std::string(row.text(5)));
  lrp.mutable_actual_lrp_instance_key()->set_cell_id(std::string(row.text(6)));
  lrp.set_placement_error(std::string(row.text(7)));
  lrp.set_since(row.integer(8));
  // Rows written before a column existed have NULL in it.
  if (!row.text(9).empty()) read_message_column(cipher.open(row.text(9)), *lrp.mutable_actual_lrp_net_info());
  lrp.mutable_modification_tag()->set_epoch(std::string(row.text(10)));
  lrp.mutable_modification_tag()->set_index(static_cast<std::uint32_t>(row.integer(11)));
  lrp.set_crash_count(static_cast<std::int32_t>(row.integer(12)));
  lrp.set_crash_reason(std::string(row.text(13)));
  if (!row.text(14).empty()) read_internal_routes_column(cipher.open(row.text(14)), lrp);
  if (!row.text(15).empty()) read_instance_tags_column(cipher.open(row.text(15)), lrp);
  lrp.set_routable(row.integer(16) != 0);
  lrp.set_availability_zone(std::string(row.text(17)));
  if (!models::ActualLRP::Presence_IsValid(lrp.presence())) throw UndecodableColumn("unknown presence of an LRP");
  return make_actual_lrp(std::move(lrp));
}

DesiredLRPPtr read_desired_lrp(const sql::Row& row, const ColumnCipher& cipher) {
  models::DesiredLRPSchedulingInfo info;
  auto* key = info.mutable_desired_lrp_key();
  key->set_process_guid(std::string(row.text(0)));
  key->set_domain(std::string(row.text(1)));
  key->set_log_guid(std::string(row.text(2)));
  info.set_annotation(std::string(row.text(3)));
  info.set_instances(static_cast<std::int32_t>(row.integer(4)));
  auto* resource = info.mutable_desired_lrp_resource();
  resource->set_memory_mb(static_cast<std::int32_t>(row.integer(5)));
  resource->set_disk_mb(static_cast<std::int32_t>(row.integer(6)));
  resource->set_root_fs(std::string(row.text(7)));
  resource->set_max_pids(static_cast<std::int32_t>(row.integer(14)));
  *info.mutable_routes() = read_routes_column(cipher.open(row.text(8)));
  read_message_column(cipher.open(row.text(9)), *info.mutable_volume_placement());
  info.mutable_modification_tag()->set_epoch(std::string(row.text(10)));
  info.mutable_modification_tag()->set_index(static_cast<std::uint32_t>(row.integer(11)));
  models::DesiredLRPRunInfo run_info;
  read_message_column(cipher.open(row.text(12)), run_info);
  read_placement_tags_column(row.text(13), *info.mutable_placement_tags());
  models::DesiredLRP lrp = models::desired_lrp_of(info, run_info);
  if (!row.text(15).empty()) read_desired_tags_column(cipher.open(row.text(15)), lrp);
  lrp.set_update_strategy(static_cast<models::DesiredLRP::UpdateStrategy>(row.integer(16)));
  return make_desired_lrp(std::move(lrp), run_info.created_at());
}

TaskPtr read_task(const sql::Row& row, const ColumnCipher& cipher) {
  models::Task task;
  task.set_task_guid(std::string(row.text(0)));
  task.set_domain(std::string(row.text(1)));
  task.set_updated_at(row.integer(2));
  task.set_created_at(row.integer(3));
  task.set_first_completed_at(row.integer(4));
  task.set_state(static_cast<models::Task::State>(row.integer(5)));
  task.set_cell_id(std::string(row.text(6)));
  task.set_result(std::string(row.text(7)));
  task.set_failed(row.integer(8) != 0);
  task.set_failure_reason(std::string(row.text(9)));
  read_message_column(cipher.open(row.text(10)), *task.mutable_task_definition());
  task.set_rejection_count(static_cast<std::int32_t>(row.integer(11)));
  task.set_rejection_reason(std::string(row.text(12)));
  return make_task(std::move(task));
}

DomainPtr read_domain(const sql::Row& row) { return make_domain(std::string(row.text(0)), row.integer(1)); }

RecordKey key_in(RecordKind kind, const sql::Row& row) {
  RecordKey key{kind, std::string(row.text(0))};
  if (kind == RecordKind::kActualLRP) {
    key.index = static_cast<std::int32_t>(row.integer(1));
    key.presence = static_cast<std::int32_t>(row.integer(2));
  }
  return key;
}

// Why a desired LRP's run_info cannot be read; nullopt if it can.
std::optional<UndecodableColumn> run_info_failure(const sql::Row& row, const ColumnCipher& cipher) {
  try {
    models::DesiredLRPRunInfo run_info;
    read_message_column(cipher.open(row.text(12)), run_info);
    return std::nullopt;
  } catch (const UndecodableColumn& e) {
    return e;
  }
}

UnreadableRecord unreadable(RecordKind kind, const sql::Row& row, const ColumnCipher& cipher,
                            const UndecodableColumn& why) {
  UnreadableRecord record;
  record.key = key_in(kind, row);
  record.domain = row.text(kind == RecordKind::kActualLRP ? 3 : 1);
  if (kind == RecordKind::kTask) record.cell_id = row.text(6);
  record.why = why.what();
  record.label = why.label();
  record.is_lost = models::ActualLRP::Presence_IsValid(record.key.presence);  // else it is of a later version
  if (kind == RecordKind::kDesiredLRP) {
    // A record of which only another column is bad is left out of lists, not deleted (docs/spec/bbs.md §4.9).
    const auto failure = run_info_failure(row, cipher);
    record.is_lost = failure.has_value();
    if (failure) record.why = failure->what();
    if (failure) record.label = failure->label();
  }
  return record;
}

Change read_change(RecordKind kind, const sql::Row& row, const ColumnCipher& cipher) {
  switch (kind) {
    case RecordKind::kDomain:
      return Swap<DomainRecord>{nullptr, read_domain(row)};
    case RecordKind::kTask:
      return Swap<TaskRecord>{nullptr, read_task(row, cipher)};
    case RecordKind::kDesiredLRP:
      return Swap<DesiredLRPRecord>{nullptr, read_desired_lrp(row, cipher)};
    case RecordKind::kActualLRP:
      return Swap<ActualLRPRecord>{nullptr, read_actual_lrp(row, cipher)};
  }
  throw std::logic_error("unknown kind of record");
}

}  // namespace

const std::string& select_all(RecordKind kind) {
  static const auto kTexts =
      for_each_kind([](const Source& s) { return fmt::format("SELECT {} FROM {}", s.columns, s.table); });
  return kTexts[static_cast<std::size_t>(kind)];
}

const std::string& select_one(RecordKind kind) {
  static const auto kTexts = for_each_kind(
      [](const Source& s) { return fmt::format("SELECT {} FROM {} WHERE {}", s.columns, s.table, s.condition); });
  return kTexts[static_cast<std::size_t>(kind)];
}

const std::string& delete_one(RecordKind kind) {
  static const auto kTexts =
      for_each_kind([](const Source& s) { return fmt::format("DELETE FROM {} WHERE {}", s.table, s.condition); });
  return kTexts[static_cast<std::size_t>(kind)];
}

std::vector<sql::Parameter> key_values(const RecordKey& key) {
  if (key.kind != RecordKind::kActualLRP) return {key.guid};
  return {key.guid, key.index, key.presence};
}

ReadRow read_row(RecordKind kind, const sql::Row& row, const ColumnCipher& cipher) {
  try {
    return read_change(kind, row, cipher);
  } catch (const UndecodableColumn& e) {
    return unreadable(kind, row, cipher, e);
  }
}

std::string label_in(RecordKind kind, const sql::Row& row) {
  const int column = source_of(kind).sealed;
  return column < 0 ? "" : ColumnCipher::label_of(row.text(column));
}

}  // namespace rivera::bbs
