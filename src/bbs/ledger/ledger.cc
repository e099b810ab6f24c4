#include "bbs/ledger/ledger.h"

#include <optional>

#include <boost/asio/post.hpp>

#include "base/check.h"
#include "base/ids.h"
#include "bbs/store/store_errors.h"
#include "sql/error.h"

namespace rivera::bbs {
namespace {

constexpr auto kRetryInterval = std::chrono::milliseconds(500);
// How long outcomes are published before others on the home strand have their turn.
constexpr auto kTurn = std::chrono::milliseconds(5);

// True if the transaction may have been committed although it failed. It is then written again until the result is
// known: writing it twice is safe, but an answer before that would be a guess.
bool is_in_doubt(const sql::Error& e) {
  return e.error_class() == sql::ErrorClass::kConnection || e.error_class() == sql::ErrorClass::kTimeout;
}

}  // namespace

// One transaction: the outcomes of operations in the order of their decisions.
struct Ledger::Batch {
  explicit Batch(asio::any_io_executor executor) : done(executor) {}
  std::vector<std::shared_ptr<Outcome>> outcomes;
  base::Condition done;
  bool overdue = false;  // its callers were answered, but it is still being written
  bool finished = false;
  std::optional<models::ModelError> failure;
};

Ledger::Ledger(asio::any_io_executor home, base::WorkerPool& workers, Store& store, const base::Clock& clock,
               Options options, base::Logger logger)
    : home_(home),
      workers_(workers),
      store_(store),
      clock_(clock),
      options_(std::move(options)),
      logger_(logger.session("ledger")),
      board_(options_.board, base::new_guid),
      gathering_(std::make_shared<Batch>(home)),
      durable_added_(home),
      work_(home),
      idle_(home),
      writer_(home, logger_) {
  writer_.spawn_critical("write-batches", write_batches());
  writer_.spawn_critical("commit-batches", commit_batches());
}

Ledger::~Ledger() = default;

asio::awaitable<void> Ledger::load() {
  struct Loaded {
    Records committed, decided;
  };
  auto reading = [this] {
    auto all = std::make_shared<Loaded>();
    Store::LoadResult loaded = store_.load();
    for (const Change& change : loaded.records) all->committed.apply(change);
    std::vector<RecordKey> lost;
    for (UnreadableRecord& record : loaded.unreadable) {
      logger_.error("unreadable-row", {{"guid", record.key.guid}, {"reason", record.why}, {"lost", record.is_lost}});
      const bool is_deleted = record.is_lost && record.key.kind != RecordKind::kTask;  // convergence deletes tasks
      if (is_deleted) {
        lost.push_back(record.key);
      } else {
        all->committed.mark_unreadable(std::move(record));
      }
    }
    store_.remove(lost);
    all->decided = all->committed;
    return all;
  };
  const std::shared_ptr<Loaded> loaded = co_await workers_.run(std::move(reading));
  board_.load(std::move(loaded->decided));
  committed_ = std::move(loaded->committed);
  logger_.info("loaded", {{"desired_lrps", committed_.desired_lrp_count()},
                          {"actual_lrps", committed_.actual_lrp_count()},
                          {"tasks", committed_.tasks().size()},
                          {"domains", committed_.domains().size()},
                          {"unreadable", committed_.unreadable().size()}});
}

asio::awaitable<Outcome> Ledger::run(Operation operation) {
  if (options_.reconcile_before_calls) {
    auto reconciling = reconcile();
    co_await std::move(reconciling);
  }
  auto at_home = run_at_home(std::move(operation));
  co_return co_await asio::co_spawn(home_, std::move(at_home), asio::use_awaitable);
}

asio::awaitable<Outcome> Ledger::run_at_home(Operation operation) {
  auto beginning = run_portion(std::move(operation));
  Outcome outcome = co_await std::move(beginning);
  while (!outcome.rest.empty()) {
    Operation next = [rest = std::move(outcome.rest)](Board& board, base::Timestamp now) {
      return board.proceed(rest, now);
    };
    co_await asio::post(home_, asio::use_awaitable);  // others' turn, even if nothing had to be written
    auto proceeding = run_portion(std::move(next));
    Outcome portion = co_await std::move(proceeding);
    outcome.rest = std::move(portion.rest);
  }
  co_return outcome;
}

asio::awaitable<Outcome> Ledger::run_portion(Operation operation) {
  if (stopping_) throw models::unknown_error("the BBS is shutting down");
  auto outcome = std::make_shared<Outcome>(operation(board_, clock_.now()));
  if (const auto refusal = refusal_of(*outcome)) {
    take_back(*outcome);
    throw *refusal;
  }
  if (outcome->changes.empty()) {
    // The answer may depend on a change that is not durable yet.
    const bool in_doubt = outcome->subject.empty() ? !dirty_.empty() : dirty_.contains(outcome->subject);
    if (in_doubt) {
      std::shared_ptr<Batch> newest = gathering_;
      if (newest->outcomes.empty()) newest = in_flight_ ? in_flight_ : durable_.back();
      co_await wait_for(newest);
    }
    if (publish_) publish_(*outcome);
  } else {
    const std::shared_ptr<Batch> batch = gathering_;
    mark_dirty(*outcome);
    batch->outcomes.push_back(outcome);
    work_.notify_all();
    co_await wait_for(batch);
  }
  co_return std::move(*outcome);
}

std::optional<models::ModelError> Ledger::refusal_of(const Outcome& outcome) const {
  if (outcome.changes.empty()) return std::nullopt;
  if (!fits_its_columns(outcome.changes)) return models::bad_request();
  if (away_) return away_;
  if (gathering_->outcomes.size() < options_.limits.requests) return std::nullopt;
  return models::unknown_error("too many requests wait for the database: nothing was changed");
}

asio::awaitable<void> Ledger::wait_for(std::shared_ptr<Batch> batch) {
  while (!batch->finished && !batch->overdue) co_await batch->done.wait();
  if (!batch->finished) throw models::unknown_error("the database does not say whether the change was made");
  if (batch->failure) throw *batch->failure;
}

asio::awaitable<void> Ledger::write_batches() {
  for (;;) {
    while (is_paused_ || (gathering_->outcomes.empty() && !stopping_)) co_await work_.wait();
    if (gathering_->outcomes.empty()) break;
    RIVERA_CHECK(!in_flight_, "transactions are written one after the other");
    in_flight_ = std::move(gathering_);
    gathering_ = std::make_shared<Batch>(home_);
    writer_.spawn_critical("watch-batch", watch(in_flight_));
    co_await write(in_flight_);
    in_flight_ = nullptr;
    idle_.notify_all();
    away_.reset();
  }
  has_written_all_ = true;
  durable_added_.notify_all();
}

asio::awaitable<void> Ledger::write(std::shared_ptr<Batch> batch) {
  // Once in doubt, always in doubt: a later attempt that certainly failed does not show whether the earlier one
  // succeeded.
  bool in_doubt = false;
  const auto started = std::chrono::steady_clock::now();
  for (;;) {
    std::optional<models::ModelError> failure;
    bool is_over = false;
    try {
      // Nothing changes the outcomes until the transaction has ended.
      auto writing = [this, &outcomes = batch->outcomes] {
        std::vector<Change> changes;
        for (const auto& outcome : outcomes) {
          changes.insert(changes.end(), outcome->changes.begin(), outcome->changes.end());
        }
        store_.write(changes);
      };
      co_await workers_.run(std::move(writing));
      durable_.push_back(std::move(batch));
      durable_added_.notify_all();
      co_return;
    } catch (const sql::Error& e) {
      logger_.error("failed-to-commit", {{"error", e.what()}, {"requests", batch->outcomes.size()}});
      failure = as_model_error(e);
      in_doubt = in_doubt || is_in_doubt(e);
      is_over = e.error_class() == sql::ErrorClass::kMissingTable;
    } catch (const TermEnded& e) {
      failure = models::unknown_error(e.what());
      is_over = true;
      end_term(e.what());
    }
    if (!in_doubt || is_over || stopping_) {
      fail_gathering(*failure);
      fail(*batch, *failure);
      if (failure->type() == models::Error::Unrecoverable && options_.give_up) options_.give_up(failure->message());
      co_return;
    }
    if (std::chrono::steady_clock::now() - started >= options_.limits.outage) {
      fail_gathering(models::unknown_error("the database is unavailable, nothing was changed: " + failure->message()));
    }
    co_await base::sleep_for(kRetryInterval);
  }
}

// Bounds how long callers wait for a transaction that does not end.
asio::awaitable<void> Ledger::watch(std::shared_ptr<Batch> batch) {
  while (!batch->finished) {
    const bool notified = co_await batch->done.wait_for(options_.limits.answer);
    if (notified || batch->finished) continue;
    if (!batch->overdue) logger_.error("no-answer-from-database", {{"requests", batch->outcomes.size()}});
    batch->overdue = true;
    batch->done.notify_all();
    fail_gathering(models::unknown_error("the database does not answer: nothing was changed"));
    store_.cut_silent_connections(options_.limits.answer / 2);
  }
}

// Answers and events of a transaction are made while the next one is being written.
asio::awaitable<void> Ledger::commit_batches() {
  for (;;) {
    while (durable_.empty() && !has_written_all_) co_await durable_added_.wait();
    if (durable_.empty()) co_return;
    auto committing = commit(durable_.front());
    co_await std::move(committing);
    durable_.pop_front();
    idle_.notify_all();
  }
}

asio::awaitable<void> Ledger::commit(std::shared_ptr<Batch> batch) {
  RIVERA_CHECK(!batch->finished, "a transaction ends once");
  auto turn_began = std::chrono::steady_clock::now();
  for (const auto& outcome : batch->outcomes) {
    if (std::chrono::steady_clock::now() - turn_began > kTurn) {
      co_await asio::post(home_, asio::use_awaitable);
      turn_began = std::chrono::steady_clock::now();
    }
    for (const Change& change : outcome->changes) committed_.apply(change);
    mark_clean(*outcome);
    if (publish_) publish_(*outcome);
    outcome->events.clear();
    outcome->changes.clear();
    outcome->follow_ups.clear();
  }
  batch->finished = true;
  batch->done.notify_all();
}

void Ledger::fail(Batch& batch, const models::ModelError& error) {
  RIVERA_CHECK(!batch.finished, "a transaction ends once");
  for (auto outcome = batch.outcomes.rbegin(); outcome != batch.outcomes.rend(); ++outcome) {
    take_back(**outcome);
    mark_clean(**outcome);
  }
  batch.failure = error;
  batch.finished = true;
  batch.done.notify_all();
}

// Fails the changes decided after a transaction that failed or is in doubt. Further changes are refused until it ends.
void Ledger::fail_gathering(const models::ModelError& error) {
  fail(*gathering_, error);
  gathering_ = std::make_shared<Batch>(home_);
  away_ = error;
}

void Ledger::take_back(const Outcome& outcome) {
  for (auto change = outcome.changes.rbegin(); change != outcome.changes.rend(); ++change) board_.revert(*change);
}

asio::awaitable<void> Ledger::check_term() {
  auto asking = [this] { return store_.is_active(); };
  const bool is_active = co_await workers_.run(std::move(asking));
  if (!is_active) end_term("another BBS has become active");
}

void Ledger::end_term(const std::string& reason) {
  if (superseded_.exchange(true)) return;
  if (options_.give_up) options_.give_up(reason);
}

void Ledger::mark_dirty(const Outcome& outcome) {
  for (const Change& change : outcome.changes) ++dirty_[subject_of(change)];
}

void Ledger::mark_clean(const Outcome& outcome) {
  for (const Change& change : outcome.changes) {
    const auto it = dirty_.find(subject_of(change));
    RIVERA_CHECK(it != dirty_.end(), "a change that has ended was under way");
    if (--it->second == 0) dirty_.erase(it);
  }
}

asio::awaitable<void> Ledger::stop() {
  stopping_ = true;
  work_.notify_all();
  co_await writer_.join();
}

}  // namespace rivera::bbs
