#include "bbs/store/plain_rows.h"

#include <functional>
#include <iterator>
#include <string_view>

#include "bbs/rows/schema.h"
#include "sql/database.h"

namespace rivera::bbs {
namespace {

constexpr std::size_t kRowsAPage = 2'000;

class Digest {
 public:
  Digest& text(std::string_view value) { return add(std::hash<std::string_view>()(value)); }
  Digest& integer(std::int64_t value) { return add(static_cast<std::uint64_t>(value)); }
  std::uint64_t value() const { return value_; }

 private:
  Digest& add(std::uint64_t part) {
    value_ = (value_ ^ part) * 0x9e3779b97f4a7c15;
    value_ ^= value_ >> 29;
    return *this;
  }
  std::uint64_t value_ = 0x2545f4914f6cdd1d;
};

std::uint64_t digest_of_task(const sql::Row& row) {
  return Digest()
      .text(row.text(1))
      .integer(row.integer(2))
      .integer(row.integer(3))
      .integer(row.integer(4))
      .integer(row.integer(5))
      .text(row.text(6))
      .integer(row.integer(7) != 0)
      .text(row.text(8))
      .integer(row.integer(9))
      .text(row.text(10))
      .value();
}

std::uint64_t digest_of_desired_lrp(const sql::Row& row) {
  return Digest()
      .text(row.text(1))
      .text(row.text(2))
      .text(row.text(3))
      .integer(row.integer(4))
      .integer(row.integer(5))
      .integer(row.integer(6))
      .text(row.text(7))
      .text(row.text(8))
      .integer(row.integer(9))
      .integer(row.integer(10))
      .integer(row.integer(11))
      .value();
}

std::uint64_t digest_of_actual_lrp(const sql::Row& row) {
  return Digest()
      .text(row.text(3))
      .text(row.text(4))
      .text(row.text(5))
      .text(row.text(6))
      .text(row.text(7))
      .integer(row.integer(8))
      .text(row.text(9))
      .integer(row.integer(10))
      .integer(row.integer(11))
      .text(row.text(12))
      .integer(row.integer(13) != 0)
      .text(row.text(14))
      .value();
}

RecordKey key_of(RecordKind kind, const sql::Row& row) {
  RecordKey key{kind, std::string(row.text(0))};
  if (kind != RecordKind::kActualLRP) return key;
  key.index = static_cast<std::int32_t>(row.integer(1));
  key.presence = static_cast<std::int32_t>(row.integer(2));
  return key;
}

}  // namespace

std::uint64_t digest_of(const DomainRecord& record) { return Digest().integer(record.expires_at).value(); }

std::uint64_t digest_of(const TaskRecord& record) {
  const models::Task& task = record.task;
  return Digest()
      .text(task.domain())
      .integer(task.updated_at())
      .integer(task.created_at())
      .integer(task.first_completed_at())
      .integer(task.state())
      .text(task.cell_id())
      .integer(task.failed())
      .text(task.failure_reason())
      .integer(task.rejection_count())
      .text(task.rejection_reason())
      .value();
}

std::uint64_t digest_of(const DesiredLRPRecord& record) {
  const models::DesiredLRP& lrp = record.lrp;
  return Digest()
      .text(lrp.domain())
      .text(lrp.log_guid())
      .text(lrp.annotation())
      .integer(lrp.instances())
      .integer(lrp.memory_mb())
      .integer(lrp.disk_mb())
      .text(lrp.root_fs())
      .text(lrp.modification_tag().epoch())
      .integer(lrp.modification_tag().index())
      .integer(lrp.max_pids())
      .integer(lrp.update_strategy())
      .value();
}

std::uint64_t digest_of(const ActualLRPRecord& record) {
  const models::ActualLRP& lrp = record.lrp;
  return Digest()
      .text(lrp.actual_lrp_key().domain())
      .text(lrp.state())
      .text(lrp.actual_lrp_instance_key().instance_guid())
      .text(lrp.actual_lrp_instance_key().cell_id())
      .text(lrp.placement_error())
      .integer(lrp.since())
      .text(lrp.modification_tag().epoch())
      .integer(lrp.modification_tag().index())
      .integer(lrp.crash_count())
      .text(lrp.crash_reason())
      .integer(lrp.routable())
      .text(lrp.availability_zone())
      .value();
}

std::uint64_t digest_of(RecordKind kind, const sql::Row& row) {
  switch (kind) {
    case RecordKind::kDomain:
      return Digest().integer(row.integer(1)).value();
    case RecordKind::kTask:
      return digest_of_task(row);
    case RecordKind::kDesiredLRP:
      return digest_of_desired_lrp(row);
    case RecordKind::kActualLRP:
      return digest_of_actual_lrp(row);
  }
  return 0;
}

std::string table_of(RecordKind kind) {
  switch (kind) {
    case RecordKind::kDomain:
      return "domains";
    case RecordKind::kTask:
      return "tasks";
    case RecordKind::kDesiredLRP:
      return "desired_lrps";
    case RecordKind::kActualLRP:
      return "actual_lrps";
  }
  return "";
}

std::vector<std::string> plain_columns(RecordKind kind) {
  switch (kind) {
    case RecordKind::kDomain:
      return {"expire_time"};
    case RecordKind::kTask:
      return {"domain",  "updated_at", "created_at",     "first_completed_at", "state",
              "cell_id", "failed",     "failure_reason", "rejection_count",    "rejection_reason"};
    case RecordKind::kDesiredLRP:
      return {"domain",
              "log_guid",
              "annotation",
              "instances",
              "memory_mb",
              "disk_mb",
              "rootfs",
              "modification_tag_epoch",
              "modification_tag_index",
              "max_pids",
              "update_strategy"};
    case RecordKind::kActualLRP:
      return {"domain",
              "state",
              "instance_guid",
              "cell_id",
              "placement_error",
              "since",
              "modification_tag_epoch",
              "modification_tag_index",
              "crash_count",
              "crash_reason",
              "routable",
              "availability_zone"};
  }
  return {};
}

std::vector<PlainRow> PlainRows::next() {
  std::vector<PlainRow> rows;
  for (; rows.empty() && kind_ < std::size(kRecordKinds); ++kind_, pages_.reset()) {
    const RecordKind kind = kRecordKinds[kind_];
    sql::Connection connection = database_.connect();
    if (!pages_) pages_.emplace(table(connection.dialect(), table_of(kind)), plain_columns(kind), kRowsAPage);
    pages_->next(connection, [&](const sql::Row& row) { rows.push_back({key_of(kind, row), digest_of(kind, row)}); });
    if (!rows.empty()) return rows;
  }
  return rows;
}

}  // namespace rivera::bbs
