#include "clients/rep_client.h"

#include <boost/asio/ip/address.hpp>

#include "base/work/wait.h"

namespace rivera::clients {

namespace detail {

// What all clients of one factory share: the connections, and which cells are reached by their name only.
class RepConnections {
 public:
  RepConnections(asio::any_io_executor executor, RepClientOptions given)
      : options(std::move(given)), http(std::move(executor), http_options(options)) {}

  // True while the cell was reached by its name a short time ago, and not by its IP address.
  bool prefers_name(const std::string& address) const {
    const auto found = by_name_until_.find(address);
    return found != by_name_until_.end() && std::chrono::steady_clock::now() < found->second;
  }
  void prefer_name(const std::string& address, bool is_preferred) {
    if (!is_preferred) {
      by_name_until_.erase(address);
      return;
    }
    if (by_name_until_.size() >= kMostRemembered) by_name_until_.clear();
    by_name_until_[address] = std::chrono::steady_clock::now() + kRememberFor;
  }

  const RepClientOptions options;
  net::HttpClient http;

 private:
  static constexpr std::size_t kMostRemembered = 10'000;
  static constexpr std::chrono::minutes kRememberFor{5};

  static net::HttpClientOptions http_options(const RepClientOptions& options) {
    net::HttpClientOptions http;
    if (!options.tls.empty()) http.tls = net::TlsContext::client(options.tls);
    http.connect_timeout = options.connect_timeout;
    for (const auto timeout : {options.state_timeout, options.request_timeout}) {
      // The second address gets its turn within the request's own time.
      if (timeout.count() > 0) http.connect_timeout = std::min(http.connect_timeout, timeout / 2);
    }
    http.request_timeout = options.request_timeout;
    http.max_idle_per_endpoint = options.max_idle_per_cell;
    http.response_limit = options.response_limit;
    return http;
  }

  std::unordered_map<std::string, std::chrono::steady_clock::time_point> by_name_until_;
};

}  // namespace detail

namespace {

constexpr std::string_view kTraceHeader = "X-Vcap-Request-Id";
constexpr std::string_view kJson = "application/json";

bool is_ip(const std::string& host) {
  error_code ec;
  const auto address = asio::ip::make_address(host, ec);
  return !ec && !address.is_unspecified();
}

void expect_ok(const net::HttpResponse& response) {
  if (response.status == 200) return;
  throw RepStatusError("unexpected status code: " + std::to_string(response.status), response.status);
}

void expect_accepted(const net::HttpResponse& response) {
  if (response.status == 202) return;
  throw RepStatusError("http error: status code " + std::to_string(response.status) + " (" +
                           std::string(net::standard_reason(response.status)) + ")",
                       response.status);
}

std::string instance_path(std::string_view version, const std::string& process_guid, const std::string& instance_guid) {
  return "/" + std::string(version) + "/lrps/" + net::percent_encode(process_guid) + "/instances/" +
         net::percent_encode(instance_guid);
}

// docs/spec/locket-and-auction.md §3.7.
std::string choose_address(const RepClientOptions& options, const std::string& rep_address,
                           const std::string& rep_url) {
  const auto& tls = options.tls;
  const bool has_credentials = !tls.ca_file.empty() && !tls.certificate_file.empty() && !tls.key_file.empty();
  const bool is_https = rep_url.starts_with("https://");
  if (options.require_tls) {
    if (!is_https) throw RepAddressError("https scheme is required but none of the addresses support it");
    return rep_url;
  }
  if (is_https && !has_credentials) {
    throw RepAddressError("https scheme not supported since certificates aren't provided");
  }
  return rep_url.empty() ? rep_address : rep_url;
}

net::Endpoint parse_address(const std::string& address) {
  try {
    return net::Endpoint::parse(address);
  } catch (const std::invalid_argument& e) {
    throw RepAddressError(e.what());
  }
}

// The IP address of rep_address where it leads to the same cell as the name in `endpoint`, or "".
std::string ip_of_cell(const net::Endpoint& endpoint, const std::string& rep_address) {
  if (!endpoint.tls || is_ip(endpoint.host) || rep_address.empty()) return "";
  try {
    const auto legacy = net::Endpoint::parse(rep_address);
    return is_ip(legacy.host) ? legacy.host : "";
  } catch (const std::invalid_argument&) {
    return "";  // rep_address is only another way here; its form is not this caller's concern
  }
}

// Sends to the cell's IP address or to its name, whichever worked last; to the other if no connection is made.
asio::awaitable<net::HttpResponse> send_to_either(std::shared_ptr<detail::RepConnections> connections,
                                                  std::string address, std::string ip, net::HttpRequest request,
                                                  std::chrono::nanoseconds timeout) {
  const auto by_name = net::Endpoint::parse(address);
  auto by_ip = by_name;
  by_ip.server_name = by_name.host;
  by_ip.host = std::move(ip);
  const bool name_first = connections->prefers_name(address);
  const auto first = name_first ? by_name : by_ip;
  const auto second = name_first ? by_ip : by_name;
  const auto started = std::chrono::steady_clock::now();

  std::exception_ptr not_connected;
  try {
    auto response = co_await connections->http.send(first, request, timeout);
    connections->prefer_name(address, name_first);
    co_return response;
  } catch (const net::TransportError& e) {
    if (e.sent) throw;
    not_connected = std::current_exception();
  }
  // Nothing was sent: asking at the other address cannot do the work twice.
  auto remaining = timeout;
  if (timeout.count() > 0) {
    remaining -= std::chrono::steady_clock::now() - started;
    if (remaining.count() <= 0) std::rethrow_exception(not_connected);
  }
  auto response = co_await connections->http.send(second, std::move(request), remaining);
  connections->prefer_name(address, !name_first);
  co_return response;
}

}  // namespace

RepClient::RepClient(std::shared_ptr<detail::RepConnections> connections, std::string address, std::string ip_address,
                     std::string trace_id)
    : connections_(std::move(connections)),
      address_(std::move(address)),
      ip_address_(std::move(ip_address)),
      trace_id_(std::move(trace_id)) {}

asio::awaitable<net::HttpResponse> RepClient::send(std::string method, std::string target, std::string body,
                                                   std::string content_type, std::chrono::nanoseconds timeout) const {
  net::HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  if (!content_type.empty()) request.headers.set("Content-Type", content_type);
  if (!trace_id_.empty()) request.headers.set(std::string(kTraceHeader), trace_id_);
  if (ip_address_.empty()) return connections_->http.send(net::Endpoint::parse(address_), std::move(request), timeout);
  return send_to_either(connections_, address_, ip_address_, std::move(request), timeout);
}

asio::awaitable<models::CellState> RepClient::state() const {
  const auto response = co_await send("GET", "/state", "", "", connections_->options.state_timeout);
  expect_ok(response);
  co_return models::parse_cell_state(response.body);
}

asio::awaitable<models::Work> RepClient::perform_work(models::Work work) const {
  std::string body = models::to_json(work);
  const auto response = co_await send("POST", "/work", std::move(body), "", connections_->options.request_timeout);
  expect_ok(response);
  co_return models::parse_work(response.body);
}

asio::awaitable<void> RepClient::stop_lrp_instance(std::string process_guid, std::string instance_guid) const {
  std::string target = instance_path("v1", process_guid, instance_guid) + "/stop";
  const auto response =
      co_await send("POST", std::move(target), "", std::string(kJson), connections_->options.request_timeout);
  expect_accepted(response);
}

asio::awaitable<void> RepClient::update_lrp_instance(models::LRPUpdate update) const {
  std::string target = instance_path("v2", update.process_guid, update.instance_guid);
  std::string body = models::to_json(update);
  const auto response = co_await send("PUT", std::move(target), std::move(body), std::string(kJson),
                                      connections_->options.request_timeout);
  if (response.status != 404) {
    expect_accepted(response);
    co_return;
  }
  // A rep from before the v2 route knows internal routes, and no metric tags; an update with neither is not sent to it.
  if (!update.internal_routes) co_return;
  update.metric_tags.reset();
  std::string old_target = instance_path("v1", update.process_guid, update.instance_guid);
  std::string old_body = models::to_json(update);
  const auto second = co_await send("PUT", std::move(old_target), std::move(old_body), std::string(kJson),
                                    connections_->options.request_timeout);
  if (second.status != 404) expect_accepted(second);
}

asio::awaitable<void> RepClient::cancel_task(std::string task_guid) const {
  std::string target = "/v1/tasks/" + net::percent_encode(task_guid) + "/cancel";
  const auto response =
      co_await send("POST", std::move(target), "", std::string(kJson), connections_->options.request_timeout);
  expect_accepted(response);
}

asio::awaitable<models::ContainerMetricsCollection> RepClient::container_metrics() const {
  const auto response = co_await send("GET", "/container_metrics", "", "", connections_->options.request_timeout);
  expect_ok(response);
  co_return models::parse_container_metrics(response.body);
}

RepClientFactory::RepClientFactory(asio::any_io_executor executor, RepClientOptions options)
    : connections_(std::make_shared<detail::RepConnections>(std::move(executor), std::move(options))) {}

RepClientFactory::~RepClientFactory() = default;

RepClient RepClientFactory::at(const std::string& rep_address, const std::string& rep_url,
                               const std::string& trace_id) const {
  const std::string address = choose_address(connections_->options, rep_address, rep_url);
  const auto endpoint = parse_address(address);
  return RepClient(connections_, address, ip_of_cell(endpoint, rep_address), trace_id);
}

}  // namespace rivera::clients
