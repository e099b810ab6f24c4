#include "auctioneer/auction_service.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/log/trace.h"
#include "models/nouns/role.h"

namespace rivera::auctioneer {
namespace {

constexpr std::size_t kBodyLimit = 256u << 20;  // more than 250,000 tasks
constexpr std::size_t kLoggedProblems = 100;    // of one request's items

std::string trace_of(const net::HttpExchange& exchange) {
  return std::string(exchange.request().headers.get(base::kTraceHeader));
}

net::HttpResponse accepted() { return net::json_response(202, "{}"); }

net::HttpResponse malformed(const std::string& error) {
  return net::json_response(400, boost::json::serialize(boost::json::object{{"error", error}}));
}

boost::json::value summary(const models::LRPStartRequest& request) {
  return {{"guid", request.process_guid},
          {"indices", boost::json::array(request.indices.begin(), request.indices.end())}};
}

boost::json::value summary(const models::TaskStartRequest& request) {
  return boost::json::value(request.task.task_guid);
}

std::string guid_of(const models::LRPStartRequest& request) { return request.process_guid; }
std::string guid_of(const models::TaskStartRequest& request) { return request.task.task_guid; }

// The valid requests; drops the others and logs the first of them, and how many more there are.
template <typename Request>
std::vector<Request> valid_ones(std::vector<Request> requests, std::string_view complaint, const base::Logger& logger) {
  std::size_t invalid = 0;
  std::erase_if(requests, [&](const Request& request) {
    const auto problem = models::problem_of(request);
    if (problem && ++invalid <= kLoggedProblems) {
      logger.error(complaint, {{"guid", guid_of(request)}, {"error", *problem}});
    }
    return problem.has_value();
  });
  if (invalid > kLoggedProblems) logger.error(complaint, {{"unlogged", invalid - kLoggedProblems}});
  return requests;
}

template <typename Request>
boost::json::array summaries(const std::vector<Request>& requests) {
  boost::json::array list;
  for (const auto& request : requests) list.push_back(summary(request));
  return list;
}

}  // namespace

AuctionService::AuctionService(AuctionLoop& loop, AuctioneerProbe& probe, base::Logger logger)
    : loop_(loop), probe_(probe), logger_(std::move(logger)) {
  struct Route {
    const char* method = "";
    const char* path = "";
    models::RoleSet callers;
    asio::awaitable<void> (AuctionService::*handle)(net::HttpExchange& exchange) = nullptr;
  };
  const Route table[] = {
      {"POST", "/v1/lrps", {models::Role::kBbs}, &AuctionService::create_lrp_auctions},
      {"POST", "/v1/tasks", {models::Role::kBbs}, &AuctionService::create_task_auctions},
  };
  for (const Route& route : table) {
    auto handler = [this, handle = route.handle](net::HttpExchange& exchange, const net::PathParameters&) {
      return (this->*handle)(exchange);
    };
    router_.add(route.method, route.path, net::for_callers(route.callers.bits(), route.path, std::move(handler)));
  }
  routes_ = router_.handler();
}

net::HttpHandler AuctionService::handler() {
  return [this](net::HttpExchange& exchange) { return serve(exchange); };
}

asio::awaitable<void> AuctionService::serve(net::HttpExchange& exchange) {
  const auto started = std::chrono::steady_clock::now();
  co_await routes_(exchange);
  probe_.request_served(std::chrono::steady_clock::now() - started);
}

asio::awaitable<void> AuctionService::create_lrp_auctions(net::HttpExchange& exchange) {
  std::string trace = trace_of(exchange);
  const base::Logger logger = base::traced_session(logger_, "request", trace);
  logger.info("serving", {{"method", "POST"}, {"request", "/v1/lrps"}});
  const std::string body = co_await exchange.read_body(kBodyLimit);
  std::string error;
  std::vector<models::LRPStartRequest> requests;
  try {
    requests = models::parse_lrp_start_requests(body);
  } catch (const models::JsonError& e) {
    error = e.what();
  }
  const base::Logger handler_logger = logger.session("lrp-auction-handler").session("create");
  if (error.empty()) {
    requests = valid_ones(std::move(requests), "start-validate-failed", handler_logger);
    auto lrps = summaries(requests);
    co_await loop_.submit(std::move(requests), std::move(trace));
    handler_logger.info("submitted", {{"lrps", std::move(lrps)}});
    co_await exchange.respond(accepted());
  } else {
    handler_logger.error("malformed-json", {{"error", error}});
    co_await exchange.respond(malformed(error));
  }
  logger.info("done");
}

asio::awaitable<void> AuctionService::create_task_auctions(net::HttpExchange& exchange) {
  std::string trace = trace_of(exchange);
  const base::Logger logger = base::traced_session(logger_, "request", trace);
  logger.info("serving", {{"method", "POST"}, {"request", "/v1/tasks"}});
  const std::string body = co_await exchange.read_body(kBodyLimit);
  std::string error;
  std::vector<models::TaskStartRequest> requests;
  try {
    requests = models::parse_task_start_requests(body);
  } catch (const models::JsonError& e) {
    error = e.what();
  }
  const base::Logger handler_logger = logger.session("task-auction-handler").session("create");
  if (error.empty()) {
    requests = valid_ones(std::move(requests), "task-validate-failed", handler_logger);
    auto tasks = summaries(requests);
    co_await loop_.submit(std::move(requests), std::move(trace));
    handler_logger.info("submitted", {{"tasks", std::move(tasks)}});
    co_await exchange.respond(accepted());
  } else {
    handler_logger.error("malformed-json", {{"error", error}});
    co_await exchange.respond(malformed(error));
  }
  logger.info("done");
}

}  // namespace rivera::auctioneer
