// One simulated cell: a rep's network API and its calls to the BBS, without containers.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "clients/bbs_client.h"
#include "models/models.h"
#include "models/placement/cell_state.h"
#include "net/http/http_router.h"
#include "net/http/http_server.h"

namespace rivera::simulation {

// The totals of all cells of a fleet. Used on the fleet's executor only.
struct FleetStatistics {
  using Time = std::chrono::steady_clock::time_point;

  std::size_t state_requests = 0;
  std::size_t work_requests = 0;
  std::size_t accepted = 0;
  std::size_t rejected = 0;
  std::size_t claimed = 0;
  std::size_t started = 0;
  std::size_t given_up = 0;  // the BBS refused the claim or the start, or did not respond
  Time first_work, last_work, last_claim, last_start;
  std::vector<float> claim_seconds;  // of each call
  std::vector<float> start_seconds;
  std::string last_failure;
};

struct SimulatedCellOptions {
  std::string cell_id = {};
  std::int64_t cell_index = 0;
  std::string zone = {};
  models::CellResources total = {};
  net::TlsContext tls;                      // of the API
  std::chrono::milliseconds start_time{0};  // from the claim to the start
};

// Accepts work as a rep does (docs/spec/locket-and-auction.md §3.4), claims each instance and starts it after
// `start_time`; starts each task and completes it. Calls the BBS sequentially, on one connection.
//
// Lives on `executor`, whose context must be run by one thread. No other object may use `bbs` at the same time.
class SimulatedCell {
 public:
  SimulatedCell(asio::any_io_executor executor, SimulatedCellOptions options, clients::BbsClientOptions bbs,
                FleetStatistics& statistics, base::Logger logger);

  // Listens on a free port of the loopback device. Throws std::runtime_error.
  void listen();
  // The presence to register in Locket. Only after listen().
  models::CellPresence presence() const;
  // A rep's first request: lists the cell's LRPs, which also opens the connection.
  asio::awaitable<void> introduce();
  asio::awaitable<void> stop();

 private:
  struct Operation {
    enum class Kind { kClaim, kStart, kRemove, kRunTask };
    Kind kind = Kind::kClaim;
    std::string guid = {};     // of the instance or task
    models::CellLRP lrp = {};  // for kRemove
  };

  void add_routes();
  asio::awaitable<net::HttpResponse> get_state();
  asio::awaitable<net::HttpResponse> post_work(std::string body);
  asio::awaitable<net::HttpResponse> stop_instance(std::string instance_guid);
  void take_lrp(const models::CellLRP& lrp, models::Work& refused);
  void take_task(const models::CellTask& task, models::Work& refused);

  void enqueue(Operation operation);
  asio::awaitable<void> work_off();
  asio::awaitable<void> perform(const Operation& operation);
  asio::awaitable<void> claim(const models::CellLRP& lrp);
  asio::awaitable<void> start(const models::CellLRP& lrp);
  asio::awaitable<void> start_later(std::string instance_guid);
  asio::awaitable<void> run_task(const std::string& guid);
  void forget(const std::string& guid);
  void give_up(const std::string& guid, const std::string& why);

  SimulatedCellOptions options_;
  FleetStatistics& statistics_;
  models::CellState state_;                        // without what runs
  std::map<std::string, models::CellLRP> lrps_;    // by instance guid
  std::map<std::string, models::CellTask> tasks_;  // by task guid
  clients::BbsClient bbs_;
  net::HttpRouter router_;
  net::HttpServer server_;
  std::deque<Operation> operations_;
  base::Condition operations_changed_;
  base::TaskGroup coroutines_;
};

}  // namespace rivera::simulation
