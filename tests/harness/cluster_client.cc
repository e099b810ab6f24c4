#include "harness/cluster_client.h"

#include <thread>

#include "net/http/http_client.h"

namespace rivera::harness {
namespace {

asio::awaitable<net::HttpResponse> get_once(std::string url, net::HttpRequest request) {
  const auto executor = co_await asio::this_coro::executor;
  net::HttpClient client(executor);
  net::HttpResponse response;
  try {
    const auto endpoint = net::Endpoint::parse(url);
    response = co_await client.send(endpoint, std::move(request), std::chrono::seconds(10));
  } catch (const std::exception& e) {
    response.status = 0;
    response.body = e.what();
  }
  co_return response;
}

}  // namespace

net::HttpResponse ClusterClient::get(const std::string& hostname, const std::string& path,
                                     const net::Headers& headers) const {
  net::HttpRequest request;
  request.method = "GET";
  request.target = path;
  request.headers = headers;
  request.headers.set("Host", hostname);
  return cluster::run_coroutine(get_once(router_url(), std::move(request)));
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    try {
      if (condition()) return true;
    } catch (const std::exception&) {
      // Not yet.
    }
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace rivera::harness
