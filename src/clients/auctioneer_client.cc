#include "clients/auctioneer_client.h"

namespace rivera::clients {

namespace {

net::HttpClientOptions http_options(const AuctioneerClientOptions& options) {
  net::HttpClientOptions http;
  if (!options.tls.empty()) http.tls = net::TlsContext::client(options.tls);
  http.request_timeout = options.request_timeout;
  return http;
}

}  // namespace

class AuctioneerClient::Impl {
 public:
  Impl(asio::any_io_executor executor, const AuctioneerClientOptions& options)
      : endpoint_(net::Endpoint::parse(options.url)),
        may_use_plain_(endpoint_.tls && !options.require_tls),
        http_(std::move(executor), http_options(options)) {}

  asio::awaitable<void> post(std::string path, std::string body, std::string trace_id) {
    net::HttpRequest request;
    request.method = "POST";
    request.target = std::move(path);
    request.body = std::move(body);
    request.headers.set("Content-Type", "application/json");
    if (!trace_id.empty()) request.headers.set("X-Vcap-Request-Id", trace_id);
    const auto response = co_await send(std::move(request));
    if (response.status == 202) co_return;
    throw std::runtime_error("http error: status code " + std::to_string(response.status) + " (" +
                             std::string(net::standard_reason(response.status)) + ")");
  }

 private:
  asio::awaitable<net::HttpResponse> send(net::HttpRequest request) {
    try {
      auto response = co_await http_.send(endpoint_, request);
      co_return response;
    } catch (const net::TransportError& e) {
      if (e.sent || !may_use_plain_) throw;  // what may have arrived is not sent twice
    }
    auto plain = endpoint_;
    plain.tls = false;
    auto response = co_await http_.send(std::move(plain), std::move(request));
    co_return response;
  }

  net::Endpoint endpoint_;
  bool may_use_plain_;
  net::HttpClient http_;
};

AuctioneerClient::AuctioneerClient(asio::any_io_executor executor, AuctioneerClientOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), options)) {}

AuctioneerClient::~AuctioneerClient() = default;

asio::awaitable<void> AuctioneerClient::request_lrp_auctions(std::vector<models::LRPStartRequest> requests,
                                                             std::string trace_id) {
  const auto impl = impl_;
  std::string body = models::to_json(requests);
  co_await impl->post("/v1/lrps", std::move(body), std::move(trace_id));
}

asio::awaitable<void> AuctioneerClient::request_task_auctions(std::vector<models::TaskStartRequest> requests,
                                                              std::string trace_id) {
  const auto impl = impl_;
  std::string body = models::to_json(requests);
  co_await impl->post("/v1/tasks", std::move(body), std::move(trace_id));
}

}  // namespace rivera::clients
