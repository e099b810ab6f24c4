// Where the executor keeps what it must know again after a restart.
#pragma once

#include <filesystem>
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

// One line of a container's journal: something that happened to a step.
struct JournalEntry {
  std::string step;    // the step's place in the tree: "setup.0"
  std::string event;   // "started", "finished", "begun"
  std::string kind{};  // of "finished": the kind of its result
  std::string text{};
  std::int64_t at = 0;  // Unix nanoseconds
};

// What was found on disk for one container.
struct StoredContainer {
  ContainerRecord record;
  std::vector<JournalEntry> journal;
};

// A directory with two files for each container: <guid>.json, the record, replaced as a whole; and <guid>.steps, the
// journal of its steps, which grows. Files are readable by their owner only. They need not survive a crash of the
// machine, for no container does: nothing is synchronised to disk.
//
// Used on one strand; the writing is done by workers, one write at a time for each container.
class StateStore {
 public:
  // Makes the directory.
  StateStore(asio::any_io_executor executor, base::WorkerPool& workers, std::filesystem::path directory,
             base::Logger logger);

  // Returns when this record, or a later one of the same container, is written. Throws std::system_error.
  asio::awaitable<void> save(ContainerRecord record);
  asio::awaitable<void> append(std::string guid, JournalEntry entry);
  asio::awaitable<void> forget(std::string guid);

  // Everything kept. Records that cannot be read are logged and removed.
  asio::awaitable<std::vector<StoredContainer>> load();

 private:
  // The right to write the files of one container.
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
