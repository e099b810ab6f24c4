// Detects rows that another writer may have changed, without decrypting anything (docs/spec/bbs.md §9.5).
#include <unordered_map>

#include "bbs/store/store.h"

namespace rivera::bbs {
namespace {

bool agrees(const sql::Row& row, const DomainRecord& record) { return row.integer(1) == record.expires_at; }

constexpr const char* kPlainTasks =
    "SELECT guid, domain, updated_at, created_at, first_completed_at, state, cell_id, failed, failure_reason, "
    "rejection_count, rejection_reason FROM tasks";
bool agrees(const sql::Row& row, const TaskRecord& record) {
  const models::Task& task = record.task;
  return row.text(1) == task.domain() && row.integer(2) == task.updated_at() && row.integer(3) == task.created_at() &&
         row.integer(4) == task.first_completed_at() && row.integer(5) == task.state() &&
         row.text(6) == task.cell_id() && (row.integer(7) != 0) == task.failed() &&
         row.text(8) == task.failure_reason() && row.integer(9) == task.rejection_count() &&
         row.text(10) == task.rejection_reason();
}

constexpr const char* kPlainDesiredLRPs =
    "SELECT process_guid, domain, log_guid, annotation, instances, memory_mb, disk_mb, rootfs, modification_tag_epoch, "
    "modification_tag_index, max_pids, update_strategy FROM desired_lrps";
bool agrees(const sql::Row& row, const DesiredLRPRecord& record) {
  const models::DesiredLRP& lrp = record.lrp;
  return row.text(1) == lrp.domain() && row.text(2) == lrp.log_guid() && row.text(3) == lrp.annotation() &&
         row.integer(4) == lrp.instances() && row.integer(5) == lrp.memory_mb() && row.integer(6) == lrp.disk_mb() &&
         row.text(7) == lrp.root_fs() && row.text(8) == lrp.modification_tag().epoch() &&
         row.integer(9) == lrp.modification_tag().index() && row.integer(10) == lrp.max_pids() &&
         row.integer(11) == lrp.update_strategy();
}

constexpr const char* kPlainActualLRPs =
    "SELECT process_guid, instance_index, presence, domain, state, instance_guid, cell_id, placement_error, since, "
    "modification_tag_epoch, modification_tag_index, crash_count, crash_reason, routable, availability_zone FROM "
    "actual_lrps";
bool agrees(const sql::Row& row, const ActualLRPRecord& record) {
  const models::ActualLRP& lrp = record.lrp;
  return row.text(3) == lrp.actual_lrp_key().domain() && row.text(4) == lrp.state() &&
         row.text(5) == lrp.actual_lrp_instance_key().instance_guid() &&
         row.text(6) == lrp.actual_lrp_instance_key().cell_id() && row.text(7) == lrp.placement_error() &&
         row.integer(8) == lrp.since() && row.text(9) == lrp.modification_tag().epoch() &&
         row.integer(10) == lrp.modification_tag().index() && row.integer(11) == lrp.crash_count() &&
         row.text(12) == lrp.crash_reason() && (row.integer(13) != 0) == lrp.routable() &&
         row.text(14) == lrp.availability_zone();
}

// A view of a primary key in a row or a record, which must outlive it.
struct KeyView {
  std::string_view guid;
  std::int64_t index = 0;
  std::int64_t presence = 0;
  bool operator==(const KeyView&) const = default;
};
struct KeyHash {
  std::size_t operator()(const KeyView& key) const {
    return std::hash<std::string_view>()(key.guid) ^
           static_cast<std::size_t>(key.index * 4 + key.presence) * 0x9e3779b9;
  }
};

KeyView view_of(const DomainRecord& r) { return {r.name}; }
KeyView view_of(const TaskRecord& r) { return {r.task.task_guid()}; }
KeyView view_of(const DesiredLRPRecord& r) { return {r.lrp.process_guid()}; }
KeyView view_of(const ActualLRPRecord& r) { return {process_guid(r), instance_index(r), r.lrp.presence()}; }

// Compares the rows of one table with the records of their kind.
class Comparison {
 public:
  Comparison(sql::Connection& connection, const RecordList& known) : connection_(connection), known_(known) {}

  template <typename Record>
  void compare(RecordKind kind, const char* query, const std::vector<std::shared_ptr<const Record>>& records) {
    std::unordered_map<KeyView, const Record*, KeyHash> missing(records.size());
    for (const auto& record : records) missing.emplace(view_of(*record), record.get());
    connection_.query(query, {}, [&](const sql::Row& row) {
      const bool is_lrp = kind == RecordKind::kActualLRP;
      const KeyView key{row.text(0), is_lrp ? row.integer(1) : 0, is_lrp ? row.integer(2) : 0};
      const auto known = missing.find(key);
      const bool is_same = known != missing.end() && agrees(row, *known->second);
      if (!is_same) add(kind, key);
      if (known != missing.end()) missing.erase(known);
    });
    for (const auto& [key, record] : missing) add(kind, key);
  }

  std::vector<RecordKey> take() { return std::move(differences_); }

 private:
  void add(RecordKind kind, const KeyView& view) {
    RecordKey key{kind, std::string(view.guid), static_cast<std::int32_t>(view.index),
                  static_cast<std::int32_t>(view.presence)};
    if (!known_.unreadable.contains(key)) differences_.push_back(std::move(key));
  }

  sql::Connection& connection_;
  const RecordList& known_;
  std::vector<RecordKey> differences_;
};

}  // namespace

std::vector<RecordKey> Store::find_differences(const RecordList& known) {
  sql::Connection connection = database_.connect();
  sql::Transaction transaction = connection.begin(sql::TransactionMode::kRead);
  Comparison comparison(connection, known);
  comparison.compare(RecordKind::kDomain, "SELECT domain, expire_time FROM domains", known.domains);
  comparison.compare(RecordKind::kTask, kPlainTasks, known.tasks);
  comparison.compare(RecordKind::kDesiredLRP, kPlainDesiredLRPs, known.desired_lrps);
  comparison.compare(RecordKind::kActualLRP, kPlainActualLRPs, known.actual_lrps);
  transaction.commit();
  return comparison.take();
}

}  // namespace rivera::bbs
