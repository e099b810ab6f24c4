// For tests: cells and a BBS with the real APIs over HTTP, controlled by the test.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/testing/test_run.h"
#include "base/work/wait.h"
#include "models/models.h"
#include "models/placement/auction_json.h"
#include "models/placement/cell_state.h"
#include "net/http/http_router.h"
#include "net/http/http_server.h"

namespace rivera::auctioneer::testing {

using base::eventually;
using base::run;

class FakeServer {
 public:
  std::string url() const { return scheme_ + server_->address(); }
  asio::awaitable<void> stop() { co_await server_->stop(std::chrono::seconds(0)); }

 protected:
  void start(asio::any_io_executor executor, std::optional<net::TlsContext> tls) {
    scheme_ = tls ? "https://" : "http://";
    net::HttpServerOptions options;
    options.address = "127.0.0.1:0";
    options.tls = std::move(tls);
    server_ =
        std::make_unique<net::HttpServer>(executor, std::move(options), router_.handler(), base::Logger::discard());
    server_->listen();
    server_->start();
  }

  net::HttpRouter router_;

 private:
  std::string scheme_;
  std::unique_ptr<net::HttpServer> server_;
};

// A rep's auction API. Empty, 1000 MB of memory and disk, 100 containers, unless changed.
class FakeCell : public FakeServer {
 public:
  FakeCell(asio::any_io_executor executor, std::string id, std::optional<net::TlsContext> tls = std::nullopt)
      : gate_changed_(executor) {
    state.cell_id = id;
    state.zone = "z1";
    state.root_fs_providers = models::root_fs_providers({{"linux", "/linux"}}, {});
    state.total = state.available = {1000, 1000, 100};
    cell_id = std::move(id);
    router_.add_simple("GET", "/state",
                       [this](net::HttpRequest r, const net::PathParameters&) { return get_state(r); });
    router_.add_simple("POST", "/work",
                       [this](net::HttpRequest r, const net::PathParameters&) { return post_work(r); });
    start(executor, std::move(tls));
  }

  models::CellPresence presence() const {
    models::CellPresence presence;
    presence.set_cell_id(cell_id);
    presence.set_rep_url(url());
    return presence;
  }

  // While closed, requests of that kind get no response.
  void hold_state(bool held) { set(state_held_, held); }
  void hold_work(bool held) { set(work_held_, held); }

  std::string cell_id;
  models::CellState state;
  int state_status = 200;
  int work_status = 200;
  std::function<models::Work(const models::Work&)> rejects = [](const models::Work&) { return models::Work(); };

  int state_requests = 0;
  std::vector<models::Work> works;  // as received
  std::vector<std::string> traces;  // X-Vcap-Request-Id of the work

 private:
  void set(bool& gate, bool held) {
    gate = held;
    gate_changed_.notify_all();
  }

  asio::awaitable<net::HttpResponse> get_state(net::HttpRequest) {
    ++state_requests;
    while (state_held_) co_await gate_changed_.wait();
    net::HttpResponse response = net::text_response(state_status, models::to_json(state) + "\n");
    co_return response;
  }

  asio::awaitable<net::HttpResponse> post_work(net::HttpRequest request) {
    works.push_back(models::parse_work(request.body));
    traces.emplace_back(request.headers.get("X-Vcap-Request-Id"));
    const models::Work rejected = rejects(works.back());
    while (work_held_) co_await gate_changed_.wait();
    net::HttpResponse response = net::text_response(work_status, models::to_json(rejected) + "\n");
    co_return response;
  }

  base::Condition gate_changed_;
  bool state_held_ = false;
  bool work_held_ = false;
};

// The BBS's routes that the auctioneer uses.
class FakeBbs : public FakeServer {
 public:
  explicit FakeBbs(asio::any_io_executor executor) {
    add<models::EventsByCellId, models::CellsResponse>("/v1/cells/list.r1", [this](const auto&, auto& response) {
      for (const auto& cell : cells) *response.add_cells() = cell;
    });
    add<models::FailActualLRPRequest, models::ActualLRPLifecycleResponse>(
        "/v1/actual_lrps/fail", [this](const auto& request, auto&) { failed_lrps.push_back(request); });
    add<models::RejectTaskRequest, models::TaskLifecycleResponse>(
        "/v1/tasks/reject", [this](const auto& request, auto&) { rejected_tasks.push_back(request); });
    start(executor, std::nullopt);
  }

  std::vector<models::CellPresence> cells;
  int refusals = 0;  // how many requests fail first

  std::vector<models::FailActualLRPRequest> failed_lrps;
  std::vector<models::RejectTaskRequest> rejected_tasks;
  int requests = 0;
  std::string last_trace;

 private:
  template <typename Request, typename Response, typename Fill>
  void add(std::string path, Fill fill) {
    auto handler = [this, fill](net::HttpRequest http,
                                const net::PathParameters&) -> asio::awaitable<net::HttpResponse> {
      ++requests;
      last_trace = http.headers.get("X-Vcap-Request-Id");
      net::HttpResponse answer = net::text_response(503, "not now");
      if (refusals > 0) {
        --refusals;
        co_return answer;
      }
      Request request;
      request.ParseFromString(http.body);
      Response response;
      fill(request, response);
      answer.status = 200;
      answer.headers.set("Content-Type", "application/x-protobuf");
      answer.body = response.SerializeAsString();
      co_return answer;
    };
    router_.add_simple("POST", std::move(path), std::move(handler));
  }
};

// A list as a call: g++ 12 cannot take braces inside a co_await expression.
template <typename... Numbers>
std::vector<std::int32_t> indices(Numbers... numbers) {
  return {numbers...};
}

inline models::LRPStartRequest start_lrp(std::string process_guid, std::vector<std::int32_t> instances,
                                         std::int32_t memory = 10) {
  models::LRPStartRequest request;
  request.process_guid = std::move(process_guid);
  request.domain = "domain";
  request.indices = std::move(instances);
  request.placement.root_fs = "preloaded:linux";
  request.resource = {memory, 10, 0};
  return request;
}

inline models::TaskStartRequest start_task(std::string guid, std::int32_t memory = 10) {
  models::TaskStartRequest request;
  request.task.task_guid = std::move(guid);
  request.task.domain = "domain";
  request.task.placement.root_fs = "preloaded:linux";
  request.task.resource = {memory, 10, 0};
  return request;
}

}  // namespace rivera::auctioneer::testing
