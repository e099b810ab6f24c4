#include "locket/locks/lock_reads.h"

#include "locket/locks/lock_record.h"

namespace rivera::locket {
namespace {

constexpr std::size_t kMostReadsAtOnce = 4096;

}  // namespace

LockReads::LockReads(asio::any_io_executor executor, base::WorkerPool& workers, sql::Database& database,
                     std::chrono::nanoseconds limit, base::Logger logger)
    : executor_(executor),
      workers_(workers),
      database_(database),
      limit_(limit),
      running_(executor, std::move(logger)) {}

asio::awaitable<void> LockReads::stop() { co_await running_.stop(); }

asio::awaitable<void> LockReads::finish(std::shared_ptr<Reading> reading) {
  if (running_.size() >= kMostReadsAtOnce) throw RpcError(RpcCode::kResourceExhausted, "too many reads at once");
  running_.spawn("read", run_read(reading));
  const auto end = std::chrono::steady_clock::now() + limit_;
  while (!reading->done || reading->failure) {
    // A failure at the deadline is most likely the database's own timeout.
    const std::chrono::nanoseconds left = end - std::chrono::steady_clock::now();
    if (left.count() <= 0) throw base::DeadlineExceeded(base::deadline_message("reading", limit_));
    if (reading->done) break;
    co_await reading->ended.wait_for(left);
  }
  if (reading->failure) std::rethrow_exception(reading->failure);
}

asio::awaitable<void> LockReads::run_read(std::shared_ptr<Reading> reading) {
  auto work = [&database = database_, reading] {
    try {
      auto connection = database.connect();
      reading->work(connection);
    } catch (...) {
      reading->failure = std::current_exception();
    }
  };
  co_await workers_.run(std::move(work));
  reading->done = true;
  reading->ended.notify_all();
}

}  // namespace rivera::locket
