// Looks for foreign writes a few thousand rows at a time.
#include <functional>
#include <string>
#include <unordered_set>

#include <boost/asio/post.hpp>

#include "base/on_exit.h"
#include "bbs/ledger/ledger.h"
#include "bbs/records/record_pages.h"

namespace rivera::bbs {
namespace {

// Rows that one call compares: some ten milliseconds of processor time.
constexpr std::size_t kRowsACall = 10'000;

// How many blocks of records are looked through before others have their turn.
constexpr std::size_t kBlocksAtOnce = kRecordsAtOnce / 16;

std::size_t hash_of(const std::string& key) { return std::hash<std::string>()(key); }

template <typename Record>
Change deletion_of(const std::shared_ptr<const Record>& record) {
  return Swap<Record>{record, nullptr};
}

}  // namespace

// The records that had a row. A place may have been taken over since, by a record that was made later.
struct RecordsWithRow {
  PlaceMarks actual_lrps, desired_lrps;
  std::unordered_set<std::size_t> tasks, domains;  // hashes of guids and of names
};

struct Ledger::Walk {
  Walk(sql::Database& database, base::Timestamp begin) : rows(database), began(base::to_unix_nanos(begin)) {}

  // Whether a record that was made at `made`, and has no row so far, should have one.
  bool is_due(std::int64_t made) const { return made < began; }

  PlainRows rows;
  const std::int64_t began;
  RecordsWithRow with_row;
};

asio::awaitable<void> Ledger::reconcile_next() {
  auto at_home = reconcile_next_at_home(true);
  co_await asio::co_spawn(home_, std::move(at_home), asio::use_awaitable);
}

asio::awaitable<void> Ledger::reconcile_rest() {
  auto at_home = reconcile_next_at_home(false);
  co_await asio::co_spawn(home_, std::move(at_home), asio::use_awaitable);
}

asio::awaitable<void> Ledger::reconcile_next_at_home(bool may_begin) {
  while (is_reconciling_) co_await idle_.wait();
  if (!walk_ && !may_begin) co_return;
  is_reconciling_ = true;
  const base::OnExit end([this] {
    is_reconciling_ = false;
    idle_.notify_all();
  });
  try {
    auto comparing = compare_next_rows();
    co_await std::move(comparing);
  } catch (const std::exception&) {
    rethrow_for_caller();
  }
}

asio::awaitable<void> Ledger::compare_next_rows() {
  if (!walk_) walk_ = std::make_shared<Walk>(store_.database(), clock_.now());
  const std::shared_ptr<Walk> walk = walk_;
  for (std::size_t compared = 0; compared < kRowsACall;) {
    auto reading = [walk] { return std::make_shared<std::vector<PlainRow>>(walk->rows.next()); };
    const std::shared_ptr<std::vector<PlainRow>> rows = co_await workers_.run(std::move(reading));
    std::vector<RecordKey> keys;
    const bool is_over = rows->empty();
    if (is_over) {
      walk_ = nullptr;
      auto finding = without_row(walk);
      keys = co_await std::move(finding);
    } else {
      keys = that_differ(*rows, *walk);
    }
    compared += rows->size();
    auto adopting = adopt_all(std::move(keys));
    co_await std::move(adopting);
    if (is_over) co_return;
  }
}

namespace {

// Compares rows with the records that are known, and marks these. The rows of a process come one after the other.
class RowComparison {
 public:
  RowComparison(const Records& records, RecordsWithRow& found) : records_(records), found_(found) {}

  bool is_known(const PlainRow& row) {
    switch (row.key.kind) {
      case RecordKind::kDomain: {
        const auto known = records_.domains().find(row.key.guid);
        if (known == records_.domains().end()) return false;
        found_.domains.insert(hash_of(row.key.guid));
        return digest_of(*known->second) == row.digest;
      }
      case RecordKind::kTask: {
        const auto known = records_.tasks().find(row.key.guid);
        if (known == records_.tasks().end()) return false;
        found_.tasks.insert(hash_of(row.key.guid));
        return digest_of(*known->second) == row.digest;
      }
      case RecordKind::kDesiredLRP: {
        const Process* process = process_of(row.key.guid);
        if (process == nullptr || !process->desired) return false;
        found_.desired_lrps.mark(process->place);
        return digest_of(*process->desired) == row.digest;
      }
      case RecordKind::kActualLRP:
        return is_known_lrp(row);
    }
    return false;
  }

 private:
  const Process* process_of(const std::string& guid) {
    if (guid_ == nullptr || *guid_ != guid) process_ = records_.process(guid);
    guid_ = &guid;
    return process_;
  }

  bool is_known_lrp(const PlainRow& row) {
    const Process* process = process_of(row.key.guid);
    const Instance* instance = process == nullptr ? nullptr : process->instance(row.key.index);
    if (instance == nullptr || !models::ActualLRP::Presence_IsValid(row.key.presence)) return false;
    const auto slot = static_cast<std::size_t>(row.key.presence);
    const ActualLRPPtr& known = instance->lrps.slots[slot];
    if (!known) return false;
    found_.actual_lrps.mark(instance->places[slot]);
    return digest_of(*known) == row.digest;
  }

  const Records& records_;
  RecordsWithRow& found_;
  const std::string* guid_ = nullptr;  // of the last row
  const Process* process_ = nullptr;
};

}  // namespace

std::vector<RecordKey> Ledger::that_differ(const std::vector<PlainRow>& rows, Walk& walk) const {
  RowComparison comparison(committed_, walk.with_row);
  std::vector<RecordKey> keys;
  for (const PlainRow& row : rows) {
    if (!comparison.is_known(row) && !committed_.unreadable().contains(row.key)) keys.push_back(row.key);
  }
  return keys;
}

// The records that had no row although they were made before the walk began.
asio::awaitable<std::vector<RecordKey>> Ledger::without_row(std::shared_ptr<const Walk> walk) {
  std::vector<RecordKey> keys;
  const auto look_through = [&](const auto& blocks, const PlaceMarks& marks, std::size_t number, auto made_at) {
    const auto* block = blocks.block(number);
    if (block == nullptr) return;
    for_each_bit(block->taken & ~marks.of_block(number), [&](std::size_t i) {
      const auto& record = block->records[i];
      if (walk->is_due(made_at(*record))) keys.push_back(key_of(deletion_of(record)));
    });
  };
  for (std::size_t number = 0; number < committed_.desired_lrps().block_count(); ++number) {
    look_through(committed_.desired_lrps(), walk->with_row.desired_lrps, number,
                 [](const DesiredLRPRecord& r) { return r.created_at; });
    if (number % kBlocksAtOnce == kBlocksAtOnce - 1) co_await asio::post(home_, asio::use_awaitable);
  }
  for (std::size_t number = 0; number < committed_.actual_lrps().block_count(); ++number) {
    look_through(committed_.actual_lrps(), walk->with_row.actual_lrps, number,
                 [](const ActualLRPRecord& r) { return r.lrp.since(); });
    if (number % kBlocksAtOnce == kBlocksAtOnce - 1) co_await asio::post(home_, asio::use_awaitable);
  }
  for (const auto& [name, domain] : committed_.domains()) {
    if (!walk->with_row.domains.contains(hash_of(name))) keys.push_back({RecordKind::kDomain, name});
  }
  for (const auto& [guid, task] : committed_.tasks()) {
    const bool is_due = walk->is_due(task->task.created_at());
    if (is_due && !walk->with_row.tasks.contains(hash_of(guid))) keys.push_back({RecordKind::kTask, guid});
  }
  co_return keys;
}

}  // namespace rivera::bbs
