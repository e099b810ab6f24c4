// Application logs as files, for cells without a log agent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/log/log.h"
#include "base/work/worker_pool.h"
#include "executor/logs/app_log.h"

namespace rivera::executor {

struct FileLogOptions {
  std::filesystem::path directory;
  std::uint64_t max_file_bytes = 10u << 20;  // then the file is renamed to <name>.log.1
  std::size_t max_files = 2000;              // beyond, the least recently written ones are removed
  std::size_t max_pending_bytes = 4u << 20;  // per file; lines beyond are dropped and counted
};

// Writes a file <owner>.log for each owner (process guid or task guid), with one line for each log line:
//   2024-05-01T12:00:00.123456789Z [APP/PROC/WEB/0] OUT text
// A worker writes the lines in batches. Used on one strand.
class FileLogSink final : public AppLogSink {
 public:
  FileLogSink(asio::any_io_executor executor, base::WorkerPool& workers, FileLogOptions options, base::Logger logger);
  ~FileLogSink() override;

  void write(const AppLogLine& line) override;
  // Returns when the files contain everything that was written before the call.
  asio::awaitable<void> flush();

 private:
  class State;
  std::shared_ptr<State> state_;
};

// Discards all lines.
class NoLogSink final : public AppLogSink {
 public:
  void write(const AppLogLine&) override {}
};

}  // namespace rivera::executor
