#include "locket/lock_journal.h"

#include "locket/lock_record.h"

namespace rivera::locket {
namespace {

constexpr std::size_t kMostInOneTransaction = 256;
constexpr std::size_t kMostWaiting = 10'000;

// One write's values are to blame, and the others may well succeed; any other failure would meet each of them.
bool is_fault_of_one(const sql::Error& error) {
  return error.error_class() == sql::ErrorClass::kTooLong || error.error_class() == sql::ErrorClass::kDuplicateKey;
}

}  // namespace

LockJournal::LockJournal(asio::any_io_executor executor, base::WorkerPool& workers, sql::Database& database,
                         base::Logger logger)
    : executor_(executor),
      workers_(workers),
      database_(database),
      arrived_(executor),
      tasks_(executor, std::move(logger)) {}

void LockJournal::start() { tasks_.spawn("journal", loop()); }

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
  while (!job->done) co_await job->ended.wait();
  if (job->failure) std::rethrow_exception(job->failure);
}

asio::awaitable<void> LockJournal::loop() {
  while (true) {
    while (waiting_.empty() && !stopped_) co_await arrived_.wait();
    if (waiting_.empty()) co_return;
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kMostInOneTransaction));
    Jobs jobs(waiting_.begin(), end);
    waiting_.erase(waiting_.begin(), end);
    auto work = [&database = database_, &jobs] { run_batch(database, jobs); };
    co_await workers_.run(std::move(work));
    for (const auto& job : jobs) {
      job->done = true;
      job->ended.notify_all();
    }
  }
}

void LockJournal::run_batch(sql::Database& database, const Jobs& jobs) {
  if (jobs.size() == 1) return run_alone(database, *jobs.front());
  try {
    database.transact(sql::TransactionMode::kWrite, [&jobs](sql::Connection& connection) {
      for (const auto& job : jobs) job->write(connection);
    });
  } catch (const sql::Error& e) {
    if (is_fault_of_one(e)) {
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
