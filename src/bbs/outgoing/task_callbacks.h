// Completion callbacks of tasks (docs/spec/bbs.md §4.7).
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

// Makes callbacks in the background, a bounded number at a time. A task whose callback fails stays Resolving, and
// convergence tries again. Makes no callback without the lock. Lives on the ledger's home strand.
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
  // One attempt, redirects included.
  asio::awaitable<Answer> post(const models::Task& task);
  // The status and the redirect of one request, without its body: only the status matters, and the body is the owner's.
  asio::awaitable<net::ResponseHead> send(net::Endpoint endpoint, net::HttpRequest request);

  Ledger& ledger_;
  net::HttpClient http_;
  HasLock has_lock_;
  base::Logger logger_;
  base::Queue<TaskPtr> queue_;
  std::size_t most_workers_;
  base::TaskGroup workers_;  // as many as there is work for
};

}  // namespace rivera::bbs
