#include <google/protobuf/util/message_differencer.h>

#include "bbs/ledger/ledger.h"
#include "bbs/store/store_errors.h"

namespace rivera::bbs {
namespace {

// Rows read between two transactions: about ten milliseconds of work.
constexpr std::size_t kRowsAtOnce = 200;

using google::protobuf::util::MessageDifferencer;

bool is_same(const ActualLRPRecord& a, const ActualLRPRecord& b) { return a.wire == b.wire; }
bool is_same(const TaskRecord& a, const TaskRecord& b) { return MessageDifferencer::Equals(a.task, b.task); }
bool is_same(const DomainRecord& a, const DomainRecord& b) { return a.expires_at == b.expires_at; }
bool is_same(const DesiredLRPRecord& a, const DesiredLRPRecord& b) {
  return a.created_at == b.created_at && MessageDifferencer::Equals(a.whole(), b.whole());
}

bool changes_something(const Change& change) {
  return std::visit(
      [](const auto& swap) {
        if (!swap.before || !swap.after) return swap.before != swap.after;
        return !is_same(*swap.before, *swap.after);
      },
      change);
}

}  // namespace

class Ledger::Pause {
 public:
  explicit Pause(Ledger& ledger) : ledger_(ledger) { ledger_.is_paused_ = true; }
  ~Pause() {
    ledger_.is_paused_ = false;
    ledger_.work_.notify_all();
    ledger_.idle_.notify_all();
  }
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;

 private:
  Ledger& ledger_;
};

asio::awaitable<std::unique_ptr<Ledger::Pause>> Ledger::pause() {
  while (is_paused_) co_await idle_.wait();
  auto pause = std::make_unique<Pause>(*this);
  while (is_busy()) co_await idle_.wait();
  co_return pause;
}

asio::awaitable<void> Ledger::reconcile() {
  auto at_home = reconcile_at_home();
  co_await asio::co_spawn(home_, std::move(at_home), asio::use_awaitable);
}

asio::awaitable<void> Ledger::reconcile_at_home() {
  const std::uint64_t mine = ++reconciliations_wanted_;
  while (reconciliations_done_ < mine) {
    if (is_reconciling_) {
      co_await idle_.wait();
      continue;
    }
    const std::uint64_t all_until_now = reconciliations_wanted_;
    is_reconciling_ = true;
    std::exception_ptr failure;
    try {
      auto comparing = compare_with_store();
      co_await std::move(comparing);
    } catch (...) {
      failure = std::current_exception();
    }
    is_reconciling_ = false;
    idle_.notify_all();
    if (failure) std::rethrow_exception(failure);
    reconciliations_done_ = all_until_now;
  }
}

asio::awaitable<void> Ledger::compare_with_store() {
  try {
    std::shared_ptr<RecordList> known;
    {
      // Nothing changes the committed records now, so a worker may read them off this strand.
      const std::unique_ptr<Pause> paused = co_await pause();
      auto listing = [this] { return std::make_shared<RecordList>(committed_.list()); };
      known = co_await workers_.run(std::move(listing));
    }
    auto comparing = [this, known = std::move(known)]() mutable {
      auto found = std::make_shared<std::vector<RecordKey>>(store_.find_differences(*known));
      known.reset();
      return found;
    };
    const std::shared_ptr<std::vector<RecordKey>> found = co_await workers_.run(std::move(comparing));
    auto adopting = adopt_all(std::move(*found));
    co_await std::move(adopting);
  } catch (const std::exception&) {
    rethrow_for_caller();
  }
}

asio::awaitable<void> Ledger::adopt_all(std::vector<RecordKey> keys) {
  for (std::size_t first = 0; first < keys.size(); first += kRowsAtOnce) {
    const std::size_t end = std::min(first + kRowsAtOnce, keys.size());
    std::vector<RecordKey> some(keys.begin() + static_cast<std::ptrdiff_t>(first),
                                keys.begin() + static_cast<std::ptrdiff_t>(end));
    auto adopting = adopt(std::move(some));
    co_await std::move(adopting);
  }
}

// A difference may have been a change of our own that was being written. With no transaction under way, whatever still
// differs was written by another program.
asio::awaitable<void> Ledger::adopt(std::vector<RecordKey> keys) {
  const std::unique_ptr<Pause> paused = co_await pause();
  auto reading = [this, &keys] { return std::make_shared<Store::LoadResult>(store_.read(keys)); };
  const std::shared_ptr<Store::LoadResult> rows = co_await workers_.run(std::move(reading));
  const std::vector<Change> changes = differences(keys, *rows);
  if (!changes.empty()) {
    const Outcome outcome = board_.adopt(changes);
    for (const Change& change : outcome.changes) committed_.apply(change);
    logger_.info("adopted-foreign-writes", {{"records", changes.size()}});
    if (publish_) publish_(outcome);
  }
  std::vector<RecordKey> lost;
  for (UnreadableRecord& record : rows->unreadable) {
    if (dirty_.contains(record.key.guid)) continue;
    logger_.error("unreadable-row", {{"guid", record.key.guid}, {"reason", record.why}, {"lost", record.is_lost}});
    if (record.is_lost && record.key.kind != RecordKind::kTask) lost.push_back(record.key);
    board_.mark_unreadable(record);
    committed_.mark_unreadable(std::move(record));
  }
  auto removing = remove_lost(std::move(lost));
  co_await std::move(removing);
}

std::vector<Change> Ledger::differences(const std::vector<RecordKey>& keys, const Store::LoadResult& rows) const {
  std::map<RecordKey, Change> read;
  for (const Change& row : rows.records) read.emplace(key_of(row), row);
  std::vector<Change> changes;
  for (const RecordKey& key : keys) {
    if (dirty_.contains(key.guid)) continue;  // about to be written: this decision overrides the other writer's
    const auto row = read.find(key);
    std::optional<Change> after;
    if (row != read.end()) after = row->second;
    Change change = committed_.change_to(key, std::move(after));
    if (changes_something(change)) changes.push_back(std::move(change));
  }
  return changes;
}

asio::awaitable<void> Ledger::delete_lost_tasks() {
  auto at_home = delete_lost_tasks_at_home();
  co_await asio::co_spawn(home_, std::move(at_home), asio::use_awaitable);
}

asio::awaitable<void> Ledger::delete_lost_tasks_at_home() {
  if (committed_.unreadable().empty()) co_return;
  try {
    const std::unique_ptr<Pause> paused = co_await pause();
    std::vector<RecordKey> lost;
    for (const auto& [key, record] : committed_.unreadable()) {
      if (record.is_lost && key.kind == RecordKind::kTask && !dirty_.contains(key.guid)) lost.push_back(key);
    }
    auto removing = remove_lost(std::move(lost));
    co_await std::move(removing);
  } catch (const std::exception&) {
    rethrow_for_caller();
  }
}

// Called during a Pause. Changes decided meanwhile are written afterwards.
asio::awaitable<void> Ledger::remove_lost(std::vector<RecordKey> keys) {
  if (keys.empty()) co_return;
  auto removing = [this, &keys] { store_.remove(keys); };
  co_await workers_.run(std::move(removing));
  for (const RecordKey& key : keys) {
    board_.forget_unreadable(key);
    committed_.forget_unreadable(key);
    logger_.info("deleted-unreadable-row", {{"guid", key.guid}});
  }
}

void Ledger::rethrow_for_caller() {
  try {
    throw;
  } catch (const sql::Error& e) {
    const models::ModelError error = as_model_error(e);
    if (error.type() == models::Error::Unrecoverable && options_.give_up) options_.give_up(error.message());
    throw error;
  } catch (const TermEnded& e) {
    if (options_.give_up) options_.give_up(e.what());
    throw models::unknown_error(e.what());
  }
}

}  // namespace rivera::bbs
