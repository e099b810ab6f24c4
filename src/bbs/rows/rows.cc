#include "bbs/rows/rows.h"

#include <string_view>
#include <unordered_set>

#include "bbs/rows/column_codec.h"

namespace rivera::bbs {
namespace {

using Columns = std::vector<std::string>;

// A power of two. More gains nothing measurable.
constexpr std::size_t kMostRowsAtOnce = 64;

const Columns kActualLRPColumns = {"domain",
                                   "state",
                                   "instance_guid",
                                   "cell_id",
                                   "placement_error",
                                   "since",
                                   "net_info",
                                   "modification_tag_epoch",
                                   "modification_tag_index",
                                   "crash_count",
                                   "crash_reason",
                                   "internal_routes",
                                   "metric_tags",
                                   "routable",
                                   "availability_zone"};
const Columns kDesiredLRPColumns = {"domain",
                                    "log_guid",
                                    "annotation",
                                    "instances",
                                    "memory_mb",
                                    "disk_mb",
                                    "rootfs",
                                    "routes",
                                    "volume_placement",
                                    "modification_tag_epoch",
                                    "modification_tag_index",
                                    "run_info",
                                    "placement_tags",
                                    "max_pids",
                                    "metric_tags",
                                    "update_strategy"};
const Columns kTaskColumns = {"domain",         "updated_at",      "created_at",      "first_completed_at",
                              "state",          "cell_id",         "result",          "failed",
                              "failure_reason", "task_definition", "rejection_count", "rejection_reason"};

}  // namespace

// One pass over changes.
class RowWriter::Builder {
 public:
  explicit Builder(const RowWriter& writer) : writer_(writer), sealer_(writer.cipher_) {}

  void add(const Swap<ActualLRPRecord>& swap) {
    const ActualLRPRecord& any = swap.after ? *swap.after : *swap.before;
    const std::string& guid = process_guid(any);
    const int presence = any.lrp.presence();
    if (!is_first("a", guid + '\0' + std::to_string(instance_index(any)) + '\0' + std::to_string(presence))) return;
    if (!swap.after) {
      return add_statement("DELETE FROM actual_lrps WHERE process_guid = ? AND instance_index = ? AND presence = ?",
                           guid, instance_index(any), presence);
    }
    const models::ActualLRP& lrp = any.lrp;
    const models::ActualLRP whole = any.whole();
    add_row(actual_lrps_, guid, instance_index(any), presence, lrp.actual_lrp_key().domain(), lrp.state(),
            lrp.actual_lrp_instance_key().instance_guid(), lrp.actual_lrp_instance_key().cell_id(),
            lrp.placement_error(), lrp.since(), sealed(message_column(whole.actual_lrp_net_info())),
            lrp.modification_tag().epoch(), lrp.modification_tag().index(), lrp.crash_count(), lrp.crash_reason(),
            sealed(internal_routes_column(lrp)), sealed(instance_tags_column(whole)), lrp.routable(),
            lrp.availability_zone());
  }

  void add(const Swap<DesiredLRPRecord>& swap) {
    const DesiredLRPRecord& any = swap.after ? *swap.after : *swap.before;
    if (!is_first("d", any.lrp.process_guid())) return;
    if (!swap.after) {
      return add_statement("DELETE FROM desired_lrps WHERE process_guid = ?", any.lrp.process_guid());
    }
    const models::DesiredLRP& lrp = any.lrp;
    const models::DesiredLRP whole = any.whole();
    const auto info = models::scheduling_info_of(whole);
    add_row(desired_lrps_, lrp.process_guid(), lrp.domain(), lrp.log_guid(), lrp.annotation(), lrp.instances(),
            lrp.memory_mb(), lrp.disk_mb(), lrp.root_fs(), sealed(routes_column(whole)),
            sealed(message_column(info.volume_placement())), lrp.modification_tag().epoch(),
            lrp.modification_tag().index(), sealed(message_column(models::run_info_of(whole, any.created_at))),
            kept(placement_tags_column(lrp)), lrp.max_pids(), sealed(desired_tags_column(lrp)),
            static_cast<int>(lrp.update_strategy()));
  }

  void add(const Swap<TaskRecord>& swap) {
    const models::Task& task = swap.after ? swap.after->task : swap.before->task;
    if (!is_first("t", task.task_guid())) return;
    if (!swap.after) {
      return add_statement("DELETE FROM tasks WHERE guid = ?", task.task_guid());
    }
    add_row(tasks_, task.task_guid(), task.domain(), task.updated_at(), task.created_at(), task.first_completed_at(),
            static_cast<int>(task.state()), task.cell_id(), task.result(), task.failed(), task.failure_reason(),
            sealed(message_column(task.task_definition())), task.rejection_count(), task.rejection_reason());
  }

  void add(const Swap<DomainRecord>& swap) {
    const DomainRecord& any = swap.after ? *swap.after : *swap.before;
    if (!is_first("o", any.name)) return;
    if (!swap.after) return add_statement("DELETE FROM domains WHERE domain = ?", any.name);
    add_row(domains_, any.name, any.expires_at);
  }

  RowStatements take() {
    writer_.domains_.append_to(out_.statements, domains_);
    writer_.tasks_.append_to(out_.statements, tasks_);
    writer_.desired_lrps_.append_to(out_.statements, desired_lrps_);
    writer_.actual_lrps_.append_to(out_.statements, actual_lrps_);
    return std::move(out_);
  }

 private:
  bool is_first(const char* table, const std::string& key) { return seen_.insert(table + key).second; }

  template <typename... Values>
  void add_statement(std::string_view sql, const Values&... values) {
    out_.statements.push_back({sql, {values...}});
  }

  template <typename... Values>
  static void add_row(std::vector<sql::Parameter>& table, const Values&... values) {
    (table.emplace_back(values), ...);
  }

  // Texts made here live as long as the statements; all others belong to the records.
  const std::string& kept(std::string text) { return out_.texts.emplace_back(std::move(text)); }
  const std::string& sealed(std::string_view plain) { return kept(sealer_.seal(plain)); }

  const RowWriter& writer_;
  ColumnCipher::Sealer sealer_;
  RowStatements out_;
  std::vector<sql::Parameter> domains_, tasks_, desired_lrps_, actual_lrps_;  // rows to insert or replace
  std::unordered_set<std::string> seen_;
};

BulkUpsert::BulkUpsert(const sql::Dialect& dialect, std::string_view table, const Columns& key_columns,
                       const Columns& other_columns)
    : columns_(key_columns.size() + other_columns.size()) {
  for (std::size_t rows = kMostRowsAtOnce; rows > 0; rows /= 2) {
    texts_.push_back(dialect.upsert(table, key_columns, other_columns, rows));
  }
}

void BulkUpsert::append_to(std::vector<sql::Statement>& statements, std::span<const sql::Parameter> values) const {
  std::size_t rows = kMostRowsAtOnce;
  for (const std::string& text : texts_) {
    for (const std::size_t wanted = rows * columns_; values.size() >= wanted; values = values.subspan(wanted)) {
      statements.push_back({text, {values.begin(), values.begin() + static_cast<std::ptrdiff_t>(wanted)}});
    }
    rows /= 2;
  }
}

RowWriter::RowWriter(const ColumnCipher& cipher, const sql::Dialect& dialect)
    : cipher_(cipher),
      actual_lrps_(dialect, "actual_lrps", {"process_guid", "instance_index", "presence"}, kActualLRPColumns),
      desired_lrps_(dialect, "desired_lrps", {"process_guid"}, kDesiredLRPColumns),
      tasks_(dialect, "tasks", {"guid"}, kTaskColumns),
      domains_(dialect, "domains", {"domain"}, {"expire_time"}) {}

RowStatements RowWriter::statements_for(const std::vector<Change>& changes) const {
  Builder builder(*this);
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    std::visit([&builder](const auto& swap) { builder.add(swap); }, *change);
  }
  return builder.take();
}

}  // namespace rivera::bbs
