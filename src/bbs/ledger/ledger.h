// The way from a decision to a durable, published fact.
//
//   request ─> run(operation) ─> Board ─> next transaction ─> durable ─> committed records ─> publish ─> answer
//
// Group commit: while one transaction is being written, the changes decided meanwhile gather for the next, which begins
// as soon as the first is durable: the first one's answers are made beside it. Answers, events
// and follow-ups of a transaction leave in the order of its decisions, and only after it is durable; reads see the
// committed records only. A transaction that fails takes with it what was decided on top of it: the Board goes back,
// and the callers get the error.
//
// Where it is not known whether a transaction happened (the connection broke at its commit), it is written again until
// it is known; that is harmless, since a write says what the rows are. Its callers wait no longer than Patience says,
// and are then told that it is not known. What gathered behind it has not happened and is refused, and so are further
// changes until the database is back; reads and whatever changes nothing go on.
#pragma once

#include <atomic>
#include <chrono>
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
#include "bbs/store/store.h"

namespace rivera::bbs {

// Owns the Board. Lives on `home`, a strand or a single-threaded context; run() and read() may be called from any
// executor.
class Ledger {
 public:
  // Told of each durable outcome, in commit order, on the home strand.
  using Publish = std::function<void(const Outcome&)>;
  using Operation = std::function<Outcome(Board&, base::Timestamp now)>;

  // What a database that is away, or slow, may cost.
  struct Patience {
    // A request is answered this long after its transaction began, by an error if it is not known how that ended. A
    // database that has said nothing for half of it is then called again on another connection.
    std::chrono::nanoseconds answer = std::chrono::seconds(30);
    // What came after a transaction is refused once that has been in doubt for so long.
    std::chrono::nanoseconds outage = std::chrono::seconds(3);
    // Requests that may wait for the next transaction.
    std::size_t requests = 20'000;
  };

  struct Options {
    BoardOptions board;
    // reconcile() before each run() and read(): for those who write to the store beside a running BBS.
    bool reconcile_before_calls = false;
    // Called when nothing can be made durable any more (the tables are gone, or another BBS is active): the process
    // ends.
    std::function<void(const std::string& reason)> give_up;
    Patience patience;
  };

  Ledger(asio::any_io_executor home, base::WorkerPool& workers, Store& store, const base::Clock& clock, Options options,
         base::Logger logger);
  ~Ledger();

  void on_commit(Publish publish) { publish_ = std::move(publish); }

  // Reads all records from the store, before anything else, and deletes those that nothing will ever read (§4.9),
  // tasks excepted. Throws what Store::load() throws, and TermEnded.
  asio::awaitable<void> load();

  // Applies an operation and returns its outcome once that is durable; events and follow-ups have been published by
  // then and are no longer in it. Throws models::ModelError if it could not be made durable; nothing has happened then.
  // An operation must not suspend or throw.
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

  // Takes in what others have written to the store (docs/spec/bbs.md §9.5): compares it with the committed records, and
  // where it differs the store is right; subscribers are told. Comparing goes on beside transactions; only the rows
  // found to differ are read between two of them, a few hundred at a time. What is being changed here at that moment
  // stays as it is here. Callers that come while it runs share the next run. Throws models::ModelError.
  asio::awaitable<void> reconcile();

  // Deletes the tasks that nothing will ever read. Throws models::ModelError.
  asio::awaitable<void> delete_lost_tasks();

  // Whether another BBS has begun a term, as far as it was noticed: nothing may be answered any more. Any thread.
  bool is_superseded() const { return superseded_; }
  // Asks the store, and gives up if so. Throws sql::Error if it cannot be asked.
  asio::awaitable<void> check_term();

  // Waits until all that was decided is durable, then ends. Nothing may be run afterwards.
  asio::awaitable<void> stop();

 private:
  struct Batch;
  class Pause;

  template <typename Look>
  asio::awaitable<std::invoke_result_t<Look, const Records&>> read_at_home(Look look) {
    co_return look(committed_);
  }
  asio::awaitable<Outcome> run_at_home(Operation operation);
  asio::awaitable<void> wait_for(std::shared_ptr<Batch> batch);
  asio::awaitable<void> write_batches();
  asio::awaitable<void> write(std::shared_ptr<Batch> batch);
  asio::awaitable<void> watch(std::shared_ptr<Batch> batch);
  std::optional<models::ModelError> refusal_of(const Outcome& outcome) const;
  void tell(std::shared_ptr<Batch> durable);
  void commit(Batch& batch);
  void take_back(const Outcome& outcome);
  void fail(Batch& batch, const models::ModelError& error);
  void end_term(const std::string& reason);
  void fail_gathering(const models::ModelError& error);
  void mark_dirty(const Outcome& outcome);
  void mark_clean(const Outcome& outcome);

  // Reconciliation (ledger_reconcile.cc). While a Pause lives, no transaction is under way and none begins.
  asio::awaitable<std::unique_ptr<Pause>> pause();
  asio::awaitable<void> reconcile_at_home();
  asio::awaitable<void> compare_with_store();
  asio::awaitable<void> adopt(std::vector<RecordKey> keys);
  std::vector<Change> differences(const std::vector<RecordKey>& keys, const Store::LoadResult& rows) const;
  asio::awaitable<void> delete_lost_tasks_at_home();
  asio::awaitable<void> remove_lost(std::vector<RecordKey> keys);
  // Rethrows what has just been caught from the store.
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
  // Subjects with changes that are not durable yet, and how many: answers about them wait.
  std::unordered_map<std::string, int> dirty_;
  base::Condition work_;
  std::optional<models::ModelError> away_;  // why changes are refused while a transaction is in doubt
  bool stopping_ = false;
  bool is_paused_ = false;
  base::Condition idle_;  // a transaction or a pause has ended
  // Runs of reconcile(): how many have been asked for, and up to which of these requests the last one counts.
  std::uint64_t reconciliations_wanted_ = 0, reconciliations_done_ = 0;
  bool is_reconciling_ = false;
  std::atomic<bool> superseded_ = false;
  base::TaskGroup writer_;
};

}  // namespace rivera::bbs
