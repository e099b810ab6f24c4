// Makes decisions of the Board durable and publishes them.
//
//   request ─> run(operation) ─> Board ─> next transaction ─> durable ─> committed records ─> publish ─> answer
//
// Group commit: while one transaction is being written, further changes gather for the next, which begins as soon as
// the first is durable; the answers of the first are made while the next is written. Answers, events and follow-ups of
// a transaction leave in the order of its decisions, and only after it is durable. Reads see the committed records
// only.
//
// No caller keeps the home strand for longer than a portion of work takes: an operation on very many instances is
// divided by the Board (Outcome::rest), each portion a decision and a transaction of its own between which others have
// their turns; and the committed outcomes of one transaction are published a few milliseconds at a time.
//
// If a transaction fails, everything decided on top of it fails too: the Board reverts it, and the callers get
// the error.
//
// If the result of a transaction is unknown (the connection broke at its commit), it is written again until the result
// is known; this is safe, because writes are idempotent. Its callers wait no longer than Limits allows, and then get
// an error that says that the result is unknown. The changes that gathered behind it are refused, and so are further
// ones until the database is back; reads and calls that change nothing continue.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include <boost/asio/co_spawn.hpp>

#include "base/asio.h"
#include "base/clock.h"
#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"
#include "bbs/board/board.h"
#include "bbs/store/plain_rows.h"
#include "bbs/store/store.h"

namespace rivera::bbs {

// Owns the Board. Lives on `home`, a strand or a single-threaded context; run() and read() may be called from any
// executor.
class Ledger {
 public:
  // Called with each durable outcome, in commit order, on the home strand.
  using Publish = std::function<void(const Outcome&)>;
  using Operation = std::function<Outcome(Board&, base::Timestamp now)>;

  // Limits for a database that is unreachable or slow.
  struct Limits {
    // A request is answered at the latest this long after its transaction began, with an error if the result is
    // unknown. After half of it without an answer from the database, the transaction is written again on another
    // connection.
    std::chrono::nanoseconds answer = std::chrono::seconds(30);
    // Later changes are refused once a transaction has been in doubt for this long.
    std::chrono::nanoseconds outage = std::chrono::seconds(3);
    // Requests that may wait for the next transaction.
    std::size_t requests = 20'000;
  };

  struct Options {
    BoardOptions board;
    // reconcile() before each run() and read(), for programs that write to the store while a BBS runs.
    bool reconcile_before_calls = false;
    // Called when nothing can be made durable (the tables are missing, or another BBS is active); must end the process.
    std::function<void(const std::string& reason)> give_up;
    Limits limits;
  };

  Ledger(asio::any_io_executor home, base::WorkerPool& workers, Store& store, const base::Clock& clock, Options options,
         base::Logger logger);
  ~Ledger();

  void on_commit(Publish publish) { publish_ = std::move(publish); }

  // To be called first. Loads all records from the store and deletes those that can never be read (§4.9), except tasks.
  // Throws what Store::load() throws, and TermEnded.
  asio::awaitable<void> load();

  // Applies an operation and returns its outcome once it is durable, with all that it left in Outcome::rest. Events and
  // follow-ups are published before the return and no longer in it. Throws models::ModelError, with no effect, if it
  // could not be made durable; if that happens to a later portion, the earlier ones remain, and convergence does the
  // rest. An operation must not suspend or throw.
  asio::awaitable<Outcome> run(Operation operation);

  // Calls `look(committed records)` on the home strand.
  template <typename Look>
  asio::awaitable<std::invoke_result_t<Look, const Records&>> read(Look look) {
    if (options_.reconcile_before_calls) {
      auto reconciling = reconcile();
      co_await std::move(reconciling);
    }
    auto at_home = read_at_home(std::move(look));
    co_return co_await asio::co_spawn(home_, std::move(at_home), asio::use_awaitable);
  }

  // Adopts what others wrote to the store (docs/spec/bbs.md §9.5): compares it with the committed records and, where
  // they differ, takes the store's content and publishes events. The comparison runs concurrently with transactions;
  // only rows that differ are read between two of them, a few hundred at a time. Records that are being changed here at
  // that moment keep this change. Callers that arrive during a run share the next one. Throws models::ModelError.
  asio::awaitable<void> reconcile();
  // The same for the next ten thousand rows, where the last call ended: each call costs about the same, however many
  // rows there are. After the end, and the first time, it begins with the first row. Throws models::ModelError.
  asio::awaitable<void> reconcile_next();
  // The same, but does nothing if the last call has reached the end.
  asio::awaitable<void> reconcile_rest();

  // Deletes the tasks that can never be read. Throws models::ModelError.
  asio::awaitable<void> delete_lost_tasks();

  // True once it was noticed that another BBS has begun a term: nothing may be answered from then on. Any thread.
  bool is_superseded() const { return superseded_; }
  // Asks the store whether the term has ended, and gives up if so. Throws sql::Error if the store cannot be asked.
  asio::awaitable<void> check_term();

  // Waits until all decisions are durable, then ends. run() must not be called afterwards.
  asio::awaitable<void> stop();

 private:
  struct Batch;
  class Pause;
  struct Walk;

  template <typename Look>
  asio::awaitable<std::invoke_result_t<Look, const Records&>> read_at_home(Look look) {
    co_return look(committed_);
  }
  asio::awaitable<Outcome> run_at_home(Operation operation);
  asio::awaitable<Outcome> run_portion(Operation operation);
  asio::awaitable<void> wait_for(std::shared_ptr<Batch> batch);
  asio::awaitable<void> write_batches();
  asio::awaitable<void> write(std::shared_ptr<Batch> batch);
  // True while a transaction is under way or its outcomes are being published.
  bool is_busy() const { return in_flight_ != nullptr || !durable_.empty(); }
  asio::awaitable<void> watch(std::shared_ptr<Batch> batch);
  std::optional<models::ModelError> refusal_of(const Outcome& outcome) const;
  asio::awaitable<void> commit_batches();
  asio::awaitable<void> commit(std::shared_ptr<Batch> batch);
  void take_back(const Outcome& outcome);
  void fail(Batch& batch, const models::ModelError& error);
  void end_term(const std::string& reason);
  void fail_gathering(const models::ModelError& error);
  void mark_dirty(const Outcome& outcome);
  void mark_clean(const Outcome& outcome);

  // Reconciliation (ledger_reconcile.cc). While a Pause lives, no transaction is under way, none begins, and the
  // committed records do not change.
  asio::awaitable<std::unique_ptr<Pause>> pause();
  asio::awaitable<void> reconcile_at_home();
  asio::awaitable<void> compare_with_store();
  asio::awaitable<void> adopt_all(std::vector<RecordKey> keys);
  asio::awaitable<void> adopt(std::vector<RecordKey> keys);
  asio::awaitable<void> reconcile_next_at_home(bool may_begin);
  asio::awaitable<void> compare_next_rows();
  std::vector<RecordKey> that_differ(const std::vector<PlainRow>& rows, Walk& walk) const;
  asio::awaitable<std::vector<RecordKey>> without_row(std::shared_ptr<const Walk> walk);
  std::vector<Change> differences(const std::vector<RecordKey>& keys, const Store::LoadResult& rows) const;
  asio::awaitable<void> delete_lost_tasks_at_home();
  asio::awaitable<void> remove_lost(std::vector<RecordKey> keys);
  // Rethrows the exception of the store that is being handled.
  [[noreturn]] void rethrow_for_caller();

  asio::any_io_executor home_;
  base::WorkerPool& workers_;
  Store& store_;
  const base::Clock& clock_;
  Options options_;
  base::Logger logger_;
  Publish publish_;

  Board board_;
  Records committed_;
  std::shared_ptr<Batch> gathering_, in_flight_;
  std::deque<std::shared_ptr<Batch>> durable_;  // not committed yet, in order
  base::Condition durable_added_;
  bool has_written_all_ = false;  // after stop()
  // Subjects with changes that are not durable yet, and how many: answers about them wait.
  std::unordered_map<std::string, int> dirty_;
  base::Condition work_;
  std::optional<models::ModelError> away_;  // why changes are refused while a transaction is in doubt
  bool stopping_ = false;
  bool is_paused_ = false;
  base::Condition idle_;  // notified when a transaction or a pause has ended
  // Runs of reconcile(): the number of requests, and the last request that a completed run covers.
  std::uint64_t reconciliations_wanted_ = 0, reconciliations_done_ = 0;
  bool is_reconciling_ = false;
  std::shared_ptr<Walk> walk_;  // of reconcile_next(); null: the next one begins a new walk
  std::atomic<bool> superseded_ = false;
  base::TaskGroup writer_;
};

}  // namespace rivera::bbs
