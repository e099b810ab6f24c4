// One line for each request (docs/spec/routing.md §3.24).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/log/log.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"
#include "gorouter/settings/config.h"
#include "routing/endpoint.h"

namespace rivera::gorouter {

// One request and its response. Texts are as they were sent to the backend, if there was one.
struct AccessRecord {
  std::string host;
  std::string method;
  std::string target;
  std::string protocol;  // "HTTP/1.1"
  std::chrono::system_clock::time_point received;
  int status = 0;
  std::uint64_t request_bytes = 0;
  std::uint64_t response_bytes = 0;
  std::string referer;
  std::string user_agent;
  std::string peer;
  std::shared_ptr<const routing::Endpoint> endpoint;  // null: none was chosen
  std::string forwarded_for;
  std::string forwarded_proto;
  std::string request_id;
  std::chrono::nanoseconds response_time{0};
  std::chrono::nanoseconds gorouter_time{0};
  std::string router_error;
  std::vector<std::pair<std::string, std::string>> extra_headers;  // name in lower snake case
};

// With the line end. Pure.
std::string format_access_record(const AccessRecord& record, const Config& config);

// Writes lines to a file and to standard output on a worker. When the queue is full, lines are dropped and counted.
// Lives on its executor.
class AccessLog {
 public:
  // Throws std::system_error if the file cannot be opened.
  AccessLog(asio::any_io_executor executor, base::WorkerPool& workers, const Config& config, base::Logger logger);
  ~AccessLog();

  bool is_wanted() const { return to_stdout_ || static_cast<bool>(file_); }
  void write(const AccessRecord& record);
  std::uint64_t dropped() const { return dropped_; }
  // Writes the queued lines and ends.
  asio::awaitable<void> stop();

 private:
  asio::awaitable<void> run();
  asio::awaitable<void> flush();

  base::WorkerPool& workers_;
  const Config& config_;
  base::Logger logger_;
  std::shared_ptr<base::UniqueFd> file_;
  bool to_stdout_;
  std::string queued_;
  std::uint64_t dropped_ = 0;
  base::Condition changed_;
  base::TaskGroup tasks_;
};

}  // namespace rivera::gorouter
