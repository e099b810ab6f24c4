#include "cluster/supervision/health.h"

#include "base/work/cancellation.h"
#include "base/work/wait.h"

namespace rivera::cluster {
namespace {

constexpr auto kLimit = std::chrono::seconds(2);

net::HttpClientOptions client_options(const net::TlsContext& tls) {
  net::HttpClientOptions options;
  options.tls = tls;
  options.connect_timeout = kLimit;
  options.request_timeout = kLimit;
  options.response_limit = 1u << 20;
  return options;
}

}  // namespace

HealthChecker::HealthChecker(asio::any_io_executor executor, net::TlsContext tls)
    : tls_(tls), client_(executor, client_options(tls)) {}

asio::awaitable<bool> HealthChecker::is_healthy(Probe probe) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  try {
    const bool answered = co_await attempt(std::move(probe));
    co_return answered;
  } catch (const boost::system::system_error& e) {
    if (base::is_cancelled(cancellation)) throw;
    co_return false;
  } catch (const std::exception&) {
    co_return false;
  }
}

asio::awaitable<bool> HealthChecker::attempt(Probe probe) {
  if (probe.url.starts_with("tcp://")) {
    const auto endpoint = net::Endpoint::parse("http://" + probe.url.substr(6));
    const auto stream = co_await net::connect(endpoint, std::nullopt, kLimit);
    co_return true;
  }
  net::HttpRequest request;
  request.method = probe.method;
  net::Endpoint endpoint;
  if (probe.url.starts_with("unix:")) {
    endpoint = net::Endpoint::parse(probe.url);
    request.target = probe.target;
  } else {
    auto parsed = net::Endpoint::parse_url(probe.url);
    endpoint = std::move(parsed.first);
    request.target = std::move(parsed.second);
  }
  const net::HttpResponse response = co_await client_.send(std::move(endpoint), std::move(request));
  co_return response.status < 500;
}

}  // namespace rivera::cluster
