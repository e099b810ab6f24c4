// Storage of the state that the executor needs after a restart.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/asio.h"
#include "base/log/log.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"
#include "executor/container/container_json.h"

namespace rivera::executor {

// One line of a container's journal: an event of a step.
struct JournalEntry {
  std::string step;    // its position in the tree: "setup.0"
  std::string event;   // "started", "finished", "begun"
  std::string kind{};  // for "finished": the kind of the result
  std::string text{};
  std::int64_t at = 0;  // Unix nanoseconds
};

// The stored state of one container.
struct StoredContainer {
  ContainerRecord record;
  std::vector<JournalEntry> journal;
};

// A directory with two files for each container: <guid>.json, the record, which is replaced as a whole; and
// <guid>.steps, the journal of its steps, which is appended to. Only the owner can read the files. They are not
// synchronised to disk, because no container survives a crash of the machine either.
//
// Used on one strand; workers write the files, one write at a time for each container.
class StateStore {
 public:
  // Creates the directory.
  StateStore(asio::any_io_executor executor, base::WorkerPool& workers, std::filesystem::path directory,
             base::Logger logger);

  // Returns when the record that `current` gives has been written. It is asked for when it is this call's turn to
  // write, so that an older record never replaces a newer one. Throws std::system_error.
  asio::awaitable<void> save(std::string guid, std::function<ContainerRecord()> current);
  asio::awaitable<void> append(std::string guid, JournalEntry entry);
  asio::awaitable<void> forget(std::string guid);

  // All stored containers. Records that cannot be read are logged and removed.
  asio::awaitable<std::vector<StoredContainer>> load();

 private:
  // Exclusive access to the files of one container.
  struct Turn;
  asio::awaitable<std::unique_ptr<Turn>> take_turn(std::string guid);
  std::filesystem::path record_path(const std::string& guid) const;
  std::filesystem::path journal_path(const std::string& guid) const;

  base::WorkerPool& workers_;
  std::filesystem::path directory_;
  base::Logger logger_;
  std::map<std::string, bool> writing_;
  base::Condition changed_;
};

}  // namespace rivera::executor
