// Calls to cells: stop and update instances, cancel tasks (docs/spec/bbs.md §4.3, §5.6).
#pragma once

#include <string>
#include <variant>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "bbs/board/outcome.h"
#include "bbs/outgoing/cells.h"
#include "bbs/outgoing/has_lock.h"
#include "clients/rep_client.h"

namespace rivera::bbs {

// Makes calls in the background, a bounded number at a time. A call that fails is logged; convergence or the rep's own
// synchronization repairs the effect. Makes no call without the lock. Lives on one strand.
class RepCalls {
 public:
  RepCalls(asio::any_io_executor executor, Cells& cells, clients::RepClientOptions options, std::size_t workers,
           HasLock has_lock, base::Logger logger);

  using Call = std::variant<StopInstance, UpdateInstance, CancelTaskOnCell>;
  void make(Call call);

  // Stops an instance now. False if its cell is not registered. Throws if the cell cannot be asked.
  asio::awaitable<bool> stop_instance(StopInstance call);

  asio::awaitable<void> stop();

 private:
  asio::awaitable<void> work();
  asio::awaitable<bool> carry_out(Call call);

  Cells& cells_;
  clients::RepClientFactory reps_;
  HasLock has_lock_;
  base::Logger logger_;
  base::Queue<Call> queue_;
  std::size_t most_workers_;
  base::TaskGroup workers_;  // as many as there is work for
};

}  // namespace rivera::bbs
