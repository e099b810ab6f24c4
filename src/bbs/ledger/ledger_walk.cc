// Looks for foreign writes a few thousand rows at a time.
#include <algorithm>
#include <functional>
#include <optional>

#include <boost/asio/post.hpp>

#include "base/on_exit.h"
#include "bbs/ledger/ledger.h"
#include "bbs/records/record_pages.h"

namespace rivera::bbs {
namespace {

// Rows that one call compares: some ten milliseconds of processor time.
constexpr std::size_t kRowsACall = 10'000;

// Of the key of a row; `guid` is the hash of its guid.
std::uint64_t hash_of(RecordKind kind, std::uint64_t guid, std::int64_t index = 0, std::int64_t presence = 0) {
  const std::uint64_t hash = (guid + static_cast<std::uint64_t>(index * 4 + presence)) * 0x9e3779b97f4a7c15;
  return hash ^ (static_cast<std::uint64_t>(kind) << 62);
}
std::uint64_t hash_of_guid(const std::string& guid) { return std::hash<std::string>()(guid); }
std::uint64_t hash_of(const RecordKey& key) {
  return hash_of(key.kind, hash_of_guid(key.guid), key.index, key.presence);
}

// Of the record that is here; nullopt if there is none.
std::optional<std::uint64_t> digest_of_known(const Change& change) {
  return std::visit(
      [](const auto& swap) -> std::optional<std::uint64_t> {
        if (!swap.before) return std::nullopt;
        return digest_of(*swap.before);
      },
      change);
}

}  // namespace

struct Ledger::Walk {
  Walk(sql::Database& database, base::Timestamp begin) : rows(database), began(base::to_unix_nanos(begin)) {}

  // Whether a record that was made at `made` should have been among the rows, but was not.
  bool misses(std::int64_t made, std::uint64_t key) const {
    return made < began && !std::binary_search(seen.begin(), seen.end(), key);
  }

  PlainRows rows;
  const std::int64_t began;
  std::vector<std::uint64_t> seen;  // hashes of the rows' keys; sorted at the end
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
      auto sorting = [walk] { std::sort(walk->seen.begin(), walk->seen.end()); };
      co_await workers_.run(std::move(sorting));
      auto finding = without_row(walk);
      keys = co_await std::move(finding);
    } else {
      for (const PlainRow& row : *rows) walk->seen.push_back(hash_of(row.key));
      keys = that_differ(*rows);
    }
    compared += rows->size();
    auto adopting = adopt_all(std::move(keys));
    co_await std::move(adopting);
    if (is_over) co_return;
  }
}

std::vector<RecordKey> Ledger::that_differ(const std::vector<PlainRow>& rows) const {
  std::vector<RecordKey> keys;
  for (const PlainRow& row : rows) {
    const bool is_unreadable = committed_.unreadable().contains(row.key);
    if (!is_unreadable && digest_of_known(committed_.change_to(row.key, std::nullopt)) != row.digest) {
      keys.push_back(row.key);
    }
  }
  return keys;
}

// The records that had no row although they were made before the walk began.
asio::awaitable<std::vector<RecordKey>> Ledger::without_row(std::shared_ptr<const Walk> walk) {
  std::vector<RecordKey> keys;
  const auto visit = [&](const std::string& guid, const Process& process) {
    const std::uint64_t hash = hash_of_guid(guid);
    const DesiredLRPPtr& desired = process.desired;
    if (desired && walk->misses(desired->created_at, hash_of(RecordKind::kDesiredLRP, hash))) {
      keys.push_back({RecordKind::kDesiredLRP, guid});
    }
    for (const Instance& instance : process.instances) {
      for (const ActualLRPPtr& lrp : instance.lrps.slots) {
        if (!lrp) continue;
        const auto presence = lrp->lrp.presence();
        if (walk->misses(lrp->lrp.since(), hash_of(RecordKind::kActualLRP, hash, instance.index, presence))) {
          keys.push_back({RecordKind::kActualLRP, guid, instance.index, presence});
        }
      }
    }
    return process.instances.size() + 1;
  };
  for (RecordPages pages; !pages.is_done();) {
    pages.next(committed_.processes(), kRecordsAtOnce, visit, [&] { keys.clear(); });
    co_await asio::post(home_, asio::use_awaitable);
  }
  const auto check = [&](RecordKey key, std::int64_t made) {
    if (walk->misses(made, hash_of(key))) keys.push_back(std::move(key));
  };
  for (const auto& [name, domain] : committed_.domains()) check({RecordKind::kDomain, name}, 0);
  for (const auto& [guid, task] : committed_.tasks()) check({RecordKind::kTask, guid}, task->task.created_at());
  co_return keys;
}

}  // namespace rivera::bbs
