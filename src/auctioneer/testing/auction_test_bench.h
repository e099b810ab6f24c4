// For tests: an auctioneer without its lock, between a fake BBS and fake cells, on one strand.
#pragma once

#include "auctioneer/auction_service.h"
#include "auctioneer/auctions/auction_loop.h"
#include "auctioneer/testing/testing.h"
#include "base/metrics/metrics.h"
#include "base/work/task_group.h"
#include "clients/auctioneer_client.h"
#include "net/http/http_client.h"

namespace rivera::auctioneer::testing {

struct Bench {
  explicit Bench(asio::any_io_executor ex, AuctionOptions options = {},
                 std::chrono::nanoseconds state_timeout = std::chrono::seconds(20),
                 base::Logger logger = base::Logger::discard())
      : executor(ex),
        bbs(ex),
        bbs_client(ex, {.url = bbs.url(), .tls = {}, .request_timeout = std::chrono::seconds(20)}),
        reps(ex, rep_options(state_timeout)),
        loop(ex, options, bbs_client, reps, workers, clock, probe, logger),
        service(loop, probe, logger),
        server(ex, server_options(), service.handler(), logger),
        http(ex),
        tasks(ex, logger) {
    server.listen();
    server.start();
    client = std::make_unique<clients::AuctioneerClient>(ex, client_options());
    tasks.spawn("auctions", loop.run());
  }

  // Adds a cell that is present in the BBS.
  FakeCell& add_cell(std::string id) {
    cells.push_back(std::make_unique<FakeCell>(executor, std::move(id)));
    bbs.cells.push_back(cells.back()->presence());
    return *cells.back();
  }

  asio::awaitable<void> stop() {
    co_await server.stop(std::chrono::seconds(5));
    co_await tasks.stop();
    for (auto& cell : cells) co_await cell->stop();
    co_await bbs.stop();
  }

  asio::awaitable<void> start(models::LRPStartRequest request, std::string trace = "") {
    std::vector<models::LRPStartRequest> requests;
    requests.push_back(std::move(request));
    co_await client->request_lrp_auctions(std::move(requests), std::move(trace));
  }
  asio::awaitable<void> start(models::TaskStartRequest request, std::string trace = "") {
    std::vector<models::TaskStartRequest> requests;
    requests.push_back(std::move(request));
    co_await client->request_task_auctions(std::move(requests), std::move(trace));
  }

  asio::awaitable<net::HttpResponse> send(std::string method, std::string path, std::string body) {
    net::HttpRequest request;
    request.method = std::move(method);
    request.target = std::move(path);
    request.body = std::move(body);
    auto endpoint = net::Endpoint::parse("http://" + server.address());
    auto response = co_await http.send(std::move(endpoint), std::move(request));
    co_return response;
  }

  bool has_metric(const std::string& line) const { return metrics.prometheus_text().find(line) != std::string::npos; }

  asio::any_io_executor executor;
  base::WorkerPool workers{1};
  base::SystemClock clock;
  base::Metrics metrics{"auctioneer"};
  AuctioneerProbe probe{metrics};
  FakeBbs bbs;
  std::vector<std::unique_ptr<FakeCell>> cells;
  clients::BbsClient bbs_client;
  clients::RepClientFactory reps;
  AuctionLoop loop;
  AuctionService service;
  net::HttpServer server;
  net::HttpClient http;
  base::TaskGroup tasks;
  std::unique_ptr<clients::AuctioneerClient> client;

 private:
  static clients::RepClientOptions rep_options(std::chrono::nanoseconds state_timeout) {
    clients::RepClientOptions options;
    options.state_timeout = state_timeout;
    return options;
  }
  static net::HttpServerOptions server_options() {
    net::HttpServerOptions options;
    options.address = "127.0.0.1:0";
    return options;
  }
  clients::AuctioneerClientOptions client_options() const {
    clients::AuctioneerClientOptions options;
    options.url = "http://" + server.address();
    return options;
  }
};

// Runs `body` with a bench and stops it in order, also when `body` throws.
inline void with_bench(std::function<asio::awaitable<void>(Bench&)> body, AuctionOptions options = {},
                       std::chrono::nanoseconds state_timeout = std::chrono::seconds(20),
                       base::Logger logger = base::Logger::discard()) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    Bench bench(executor, options, state_timeout, logger);
    std::exception_ptr failure;
    try {
      co_await body(bench);
    } catch (...) {
      failure = std::current_exception();
    }
    co_await bench.stop();
    if (failure) std::rethrow_exception(failure);
  });
}

}  // namespace rivera::auctioneer::testing
