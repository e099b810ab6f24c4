#include "locket/locks/lock_journal.h"

#include <algorithm>

#include "locket/locks/lock_record.h"

namespace rivera::locket {
namespace {

constexpr std::size_t kMostInOneTransaction = 256;
constexpr std::size_t kMostWaiting = 10'000;

// Whether the values of one write may be the cause, so that the others may succeed alone. kOther is, for example, text
// that is invalid in the database's encoding.
bool may_be_fault_of_one(const sql::Error& error) {
  switch (error.error_class()) {
    case sql::ErrorClass::kTooLong:
    case sql::ErrorClass::kDuplicateKey:
    case sql::ErrorClass::kOther:
      return true;
    case sql::ErrorClass::kNotFound:
    case sql::ErrorClass::kDeadlock:
    case sql::ErrorClass::kMissingTable:
    case sql::ErrorClass::kConnection:
    case sql::ErrorClass::kDiskFull:
    case sql::ErrorClass::kTimeout:
      return false;
  }
  return false;
}

}  // namespace

LockJournal::LockJournal(asio::any_io_executor executor, base::WorkerPool& workers, sql::Database& database,
                         base::Logger logger)
    : executor_(executor),
      workers_(workers),
      database_(database),
      arrived_(executor),
      tasks_(executor, std::move(logger)) {}

void LockJournal::start() { tasks_.spawn_critical("journal", loop()); }

asio::awaitable<void> LockJournal::stop() {
  stopped_ = true;
  arrived_.notify_all();
  co_await tasks_.join();
}

asio::awaitable<void> LockJournal::finish(std::shared_ptr<Job> job) {
  if (stopped_) throw RpcError(RpcCode::kUnavailable, "locket is shutting down");
  if (waiting_.size() >= kMostWaiting) throw RpcError(RpcCode::kResourceExhausted, "too many requests are waiting");
  waiting_.push_back(job);
  arrived_.notify_all();
  // Also when this coroutine is cancelled or destroyed.
  struct Abandon {
    Job& job;
    ~Abandon() { job.abandoned = true; }
  } abandon{*job};
  while (!job->done) co_await job->ended.wait();
  if (job->failure) std::rethrow_exception(job->failure);
}

asio::awaitable<void> LockJournal::loop() {
  while (true) {
    while (waiting_.empty() && !stopped_) co_await arrived_.wait();
    if (waiting_.empty()) co_return;
    const Jobs jobs = take_waiting();
    if (jobs.empty()) continue;
    auto work = [&database = database_, &jobs] { run_batch(database, jobs); };
    co_await workers_.run(std::move(work));
    for (const auto& job : jobs) {
      job->done = true;
      job->ended.notify_all();
    }
  }
}

LockJournal::Jobs LockJournal::take_waiting() {
  Jobs jobs;
  while (!waiting_.empty() && jobs.size() < kMostInOneTransaction) {
    if (!waiting_.front()->abandoned) jobs.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  std::stable_sort(jobs.begin(), jobs.end(), [](const auto& a, const auto& b) { return a->key < b->key; });
  return jobs;
}

void LockJournal::run_batch(sql::Database& database, const Jobs& jobs) {
  if (jobs.size() == 1) return run_alone(database, *jobs.front());
  try {
    database.transact(sql::TransactionMode::kWrite, [&jobs](sql::Connection& connection) {
      for (const auto& job : jobs) job->write(connection);
    });
  } catch (const sql::Error& e) {
    if (may_be_fault_of_one(e)) {
      for (const auto& job : jobs) run_alone(database, *job);
    } else {
      fail_all(jobs);
    }
  } catch (...) {
    fail_all(jobs);
  }
}

// Called while an exception is being handled.
void LockJournal::fail_all(const Jobs& jobs) {
  for (const auto& job : jobs) job->failure = std::current_exception();
}

void LockJournal::run_alone(sql::Database& database, Job& job) {
  try {
    database.transact(sql::TransactionMode::kWrite, [&job](sql::Connection& connection) { job.write(connection); });
  } catch (...) {
    job.failure = std::current_exception();
  }
}

}  // namespace rivera::locket
