// Requests per second and latency of net::HttpServer, driven by net::HttpClient in the same process on one thread: what
// a component can at best serve on one core, since both ends share it.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <fmt/format.h>

#include "base/work/task_group.h"
#include "net/http/http_client.h"
#include "net/http/http_router.h"
#include "net/testing/test_certificates.h"
#include "report.h"

namespace rivera {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr auto kDuration = std::chrono::seconds(3);
constexpr std::size_t kBodyBytes = 1024;

asio::awaitable<void> drive(net::HttpClient& client, net::Endpoint endpoint, SteadyClock::time_point until,
                            std::vector<double>& latencies) {
  while (SteadyClock::now() < until) {
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/echo";
    request.body.assign(kBodyBytes, 'x');
    const auto begin = SteadyClock::now();
    auto response = co_await client.send(endpoint, std::move(request));
    if (response.body.size() != kBodyBytes) throw std::runtime_error("short answer");
    latencies.push_back(std::chrono::duration<double, std::milli>(SteadyClock::now() - begin).count());
  }
}

asio::awaitable<void> measure(std::string name, int connections, std::optional<net::TlsContext> server_tls,
                              std::optional<net::TlsContext> client_tls) {
  auto executor = co_await asio::this_coro::executor;
  net::HttpRouter router;
  router.add_simple("POST", "/echo",
                    [](net::HttpRequest request, const net::PathParameters&) -> asio::awaitable<net::HttpResponse> {
                      net::HttpResponse response = net::text_response(200, std::move(request.body));
                      co_return response;
                    });
  net::HttpServerOptions options;
  options.address = "127.0.0.1:0";
  options.tls = server_tls;
  net::HttpServer server(executor, std::move(options), router.handler(), base::Logger::discard());
  server.listen();
  server.start();

  net::HttpClientOptions client_options;
  client_options.tls = client_tls;
  net::HttpClient client(executor, client_options);
  const auto endpoint = net::Endpoint::parse((server_tls ? "https://" : "http://") + server.address());
  std::vector<double> latencies;
  base::TaskGroup drivers(executor, base::Logger("bench"));
  const auto begin = SteadyClock::now();
  for (int i = 0; i < connections; ++i) drivers.spawn("drive", drive(client, endpoint, begin + kDuration, latencies));
  co_await drivers.join();
  const double seconds = std::chrono::duration<double>(SteadyClock::now() - begin).count();
  co_await server.stop(std::chrono::seconds(1));

  std::sort(latencies.begin(), latencies.end());
  const std::string which = fmt::format("{}, {} connections, 1 KiB", name, connections);
  bench::report("http", which, "requests", static_cast<double>(latencies.size()) / seconds, "1/s");
  bench::report("http", which, "latency_p50", latencies[latencies.size() / 2], "ms");
  bench::report("http", which, "latency_p99", latencies[latencies.size() * 99 / 100], "ms");
}

asio::awaitable<void> measure_all(net::TestCertificates& certificates) {
  for (const int connections : {1, 32}) {
    co_await measure("plain", connections, std::nullopt, std::nullopt);
    auto server_tls = net::TlsContext::mutual_server(certificates.server());
    auto client_tls = net::TlsContext::client(certificates.client());
    co_await measure("mutual TLS", connections, server_tls, client_tls);
  }
}

}  // namespace
}  // namespace rivera

int main() {
  rivera::net::TestCertificates certificates;
  boost::asio::io_context io(1);
  std::exception_ptr failure;
  boost::asio::co_spawn(boost::asio::make_strand(io), rivera::measure_all(certificates),
                        [&](std::exception_ptr e) { failure = std::move(e); });
  io.run();
  if (failure) std::rethrow_exception(failure);
}
