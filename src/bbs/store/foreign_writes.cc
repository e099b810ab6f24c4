// Detects rows that another writer may have changed, without decrypting anything (docs/spec/bbs.md §9.5).
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bbs/rows/schema.h"
#include "bbs/store/plain_rows.h"
#include "bbs/store/store.h"

namespace rivera::bbs {
namespace {

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
  void compare(RecordKind kind, const std::vector<std::shared_ptr<const Record>>& records) {
    const Table table = bbs::table(connection_.dialect(), table_of(kind));
    const std::string query = fmt::format("SELECT {}, {} FROM {}", fmt::join(table.key, ", "),
                                          fmt::join(plain_columns(kind), ", "), table.name);
    std::unordered_map<KeyView, const Record*, KeyHash> missing(records.size());
    for (const auto& record : records) missing.emplace(view_of(*record), record.get());
    connection_.query(query, {}, [&](const sql::Row& row) {
      const bool is_lrp = kind == RecordKind::kActualLRP;
      const KeyView key{row.text(0), is_lrp ? row.integer(1) : 0, is_lrp ? row.integer(2) : 0};
      const auto known = missing.find(key);
      const bool is_same = known != missing.end() && digest_of(kind, row) == digest_of(*known->second);
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
  comparison.compare(RecordKind::kDomain, known.domains);
  comparison.compare(RecordKind::kTask, known.tasks);
  comparison.compare(RecordKind::kDesiredLRP, known.desired_lrps);
  comparison.compare(RecordKind::kActualLRP, known.actual_lrps);
  transaction.commit();
  return comparison.take();
}

}  // namespace rivera::bbs
