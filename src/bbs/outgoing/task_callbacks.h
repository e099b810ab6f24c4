// Telling a task's owner that it is completed (docs/spec/bbs.md §4.7).
#pragma once

#include <string>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "bbs/ledger/ledger.h"
#include "bbs/outgoing/has_lock.h"
#include "net/http/http_client.h"

namespace rivera::bbs {

// Calls back in the background, a bounded number at a time. What fails stays Resolving: convergence tries again. Nobody
// is called without the lock. Lives on the ledger's home strand.
class TaskCallbacks {
 public:
  TaskCallbacks(asio::any_io_executor home, Ledger& ledger, net::HttpClientOptions http, std::size_t workers,
                HasLock has_lock, base::Logger logger);

  void submit(TaskPtr task);
  asio::awaitable<void> stop();

 private:
  enum class Answer { kHeard, kTryAgain, kGiveUp };

  asio::awaitable<void> work();
  asio::awaitable<void> call_back(TaskPtr task);
  asio::awaitable<Answer> post(const models::Task& task);

  Ledger& ledger_;
  net::HttpClient http_;
  HasLock has_lock_;
  base::Logger logger_;
  base::Queue<TaskPtr> queue_;
  std::size_t most_workers_;
  base::TaskGroup workers_;  // as many as there is work for
};

}  // namespace rivera::bbs
