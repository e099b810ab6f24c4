#include "clients/garden/garden_client.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/units.h"
#include "clients/garden/garden_process.h"
#include "net/http/http.h"

namespace rivera::clients {

namespace json = boost::json;

namespace {

constexpr std::size_t kErrorBodyLimit = 1u << 20;

std::string container_path(const std::string& handle, const std::string& rest = "") {
  return "/containers/" + net::percent_encode(handle) + rest;
}

// Throws what an answer other than success says.
void check_answer(int status, const std::string& body) {
  if (status >= 200 && status < 300) return;
  error_code ec;
  const json::value value = json::parse(body, ec);
  if (!ec && value.is_object()) garden::throw_error_json(value);
  throw garden::GardenError("garden answered " + std::to_string(status) + ": " + body.substr(0, 200));
}

json::value parse_answer(const std::string& body) {
  error_code ec;
  json::value value = json::parse(body, ec);
  if (ec) throw garden::GardenError("garden answered with malformed JSON: " + ec.message());
  return value;
}

asio::awaitable<std::string> read_small_body(net::HttpIncoming& answer, std::chrono::nanoseconds limit) {
  answer.stream().set_deadline(std::chrono::steady_clock::now() + limit);
  std::string body;
  char buffer[4096];
  while (body.size() < kErrorBodyLimit) {
    const std::size_t n = co_await answer.read_some(buffer);
    if (n == 0) break;
    body.append(buffer, n);
  }
  co_return body;
}

std::string handles_query(const std::vector<std::string>& handles) {
  std::string joined;
  for (const auto& handle : handles) joined += (joined.empty() ? "" : ",") + handle;
  return "?handles=" + net::percent_encode(joined);
}

// The entries of a bulk answer: under each handle a value and an error.
template <typename T, typename Decode>
std::map<std::string, BulkEntry<T>> bulk_entries(const json::value& answer, std::string_view member, Decode decode) {
  std::map<std::string, BulkEntry<T>> entries;
  const auto* object = answer.if_object();
  if (object == nullptr) throw garden::GardenError("garden's bulk answer is no object");
  for (const auto& [handle, entry] : *object) {
    BulkEntry<T>& result = entries[std::string(handle)];
    if (const auto* error = garden::find_member(entry, "Err")) {
      const auto* message = garden::find_member(*error, "Message");
      result.error = message != nullptr && message->is_string() ? std::string(message->get_string()) : "unknown error";
    } else if (const auto* value = garden::find_member(entry, member)) {
      result.value = decode(*value);
    }
  }
  return entries;
}

class TarStream final : public GardenTarStream {
 public:
  TarStream(std::unique_ptr<net::HttpIncoming> answer, std::chrono::nanoseconds pause) : answer_(std::move(answer)) {
    answer_->stream().set_timeout(pause);
  }
  asio::awaitable<std::string> read() override {
    std::string piece(64 * base::kKibibyte, '\0');
    const std::size_t n = co_await answer_->read_some(piece);
    piece.resize(n);
    co_return piece;
  }

 private:
  std::unique_ptr<net::HttpIncoming> answer_;
};

net::HttpClientOptions http_options(const GardenClientOptions& options, std::chrono::nanoseconds request_timeout) {
  net::HttpClientOptions http;
  http.connect_timeout = options.connect_timeout;
  http.request_timeout = request_timeout;
  return http;
}

}  // namespace

class GardenClient::Impl {
 public:
  Impl(asio::any_io_executor executor, GardenClientOptions options)
      : executor_(executor),
        options_(std::move(options)),
        endpoint_(net::Endpoint::parse(options_.address)),
        http_(executor, http_options(options_, options_.request_timeout)),
        // The start of a process may take long; a stream has no limit.
        streams_(executor, http_options(options_, options_.create_timeout)) {}

  asio::awaitable<json::value> call(std::string method, std::string target, std::string body,
                                    std::chrono::nanoseconds timeout) {
    net::HttpRequest request;
    prepare(request, std::move(method), std::move(target));
    request.body = std::move(body);
    if (!request.body.empty()) request.headers.set("Content-Type", "application/json");
    const net::HttpResponse response = co_await http_.send(endpoint_, std::move(request), timeout);
    check_answer(response.status, response.body);
    co_return parse_answer(response.body);
  }
  asio::awaitable<json::value> call(std::string method, std::string target, std::string body = "") {
    return call(std::move(method), std::move(target), std::move(body), options_.request_timeout);
  }

  asio::awaitable<std::unique_ptr<net::HttpIncoming>> open(std::string method, std::string target,
                                                           std::string body = "") {
    net::HttpRequest request;
    prepare(request, std::move(method), std::move(target));
    request.body = std::move(body);
    if (!request.body.empty()) request.headers.set("Content-Type", "application/json");
    auto answer = co_await streams_.open(endpoint_, std::move(request));
    if (answer->head().status >= 300) {
      const std::string error = co_await read_small_body(*answer, options_.request_timeout);
      check_answer(answer->head().status, error);
    }
    co_return answer;
  }

  asio::awaitable<void> stream_in(std::string target, net::BodySource tar) {
    net::RequestHead request;
    prepare(request, "PUT", std::move(target));
    request.headers.set("Content-Type", "application/x-tar");
    auto answer = co_await streams_.open(endpoint_, std::move(request), std::move(tar));
    const std::string body = co_await read_small_body(*answer, options_.request_timeout);
    check_answer(answer->head().status, body);
  }

  // Run and Attach: the main connection, then one for each stream that is asked for.
  asio::awaitable<std::unique_ptr<GardenProcess>> start(std::string handle, std::string method, std::string target,
                                                        std::string body, ProcessIO io) {
    auto answer = co_await open(std::move(method), std::move(target), std::move(body));
    auto process = std::make_unique<AttachedProcess>(executor_, answer->take_over());
    answer.reset();
    const std::string stream_id = co_await process->read_ids(options_.request_timeout);
    const std::string streams = container_path(
        handle, "/processes/" + net::percent_encode(process->id()) + "/attaches/" + net::percent_encode(stream_id));
    if (io.output) {
      auto output = co_await open("GET", streams + "/stdout");
      process->pump(output->take_over(), std::move(io.output));
    }
    if (io.error) {
      auto error = co_await open("GET", streams + "/stderr");
      process->pump(error->take_over(), std::move(io.error));
    }
    process->watch();
    co_return process;
  }

  const GardenClientOptions& options() const { return options_; }
  std::string trace_id;

 private:
  void prepare(net::RequestHead& request, std::string method, std::string target) const {
    request.method = std::move(method);
    request.target = std::move(target);
    request.headers.set("Host", "api");
    if (!trace_id.empty()) request.headers.set("X-Vcap-Request-Id", trace_id);
  }

  asio::any_io_executor executor_;
  GardenClientOptions options_;
  net::Endpoint endpoint_;
  net::HttpClient http_;
  net::HttpClient streams_;
};

GardenClient::GardenClient(asio::any_io_executor executor, GardenClientOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options))) {}
GardenClient::~GardenClient() = default;

void GardenClient::set_trace_id(std::string trace_id) { impl_->trace_id = std::move(trace_id); }

asio::awaitable<void> GardenClient::ping() { co_await impl_->call("GET", "/ping"); }

asio::awaitable<garden::Capacity> GardenClient::capacity() {
  const json::value answer = co_await impl_->call("GET", "/capacity");
  co_return garden::capacity_from_json(answer);
}

asio::awaitable<std::vector<std::string>> GardenClient::containers(garden::PropertyFilter filter) {
  std::string query;
  for (const auto& [key, value] : filter) {
    query += (query.empty() ? "?" : "&") + net::percent_encode(key) + "=" + net::percent_encode(value);
  }
  const json::value answer = co_await impl_->call("GET", "/containers" + query);
  std::vector<std::string> handles;
  if (const auto* list = garden::find_member(answer, "Handles"); list != nullptr && list->is_array()) {
    for (const auto& handle : list->get_array()) handles.emplace_back(handle.as_string());
  }
  co_return handles;
}

asio::awaitable<std::string> GardenClient::create(garden::ContainerSpec spec) {
  const json::value answer = co_await impl_->call("POST", "/containers", json::serialize(garden::to_json(spec)),
                                                  impl_->options().create_timeout);
  const auto* handle = garden::find_member(answer, "Handle");
  if (handle == nullptr || !handle->is_string()) throw garden::GardenError("garden gave no handle");
  co_return std::string(handle->get_string());
}

asio::awaitable<void> GardenClient::destroy(std::string handle) {
  co_await impl_->call("DELETE", container_path(handle), "", impl_->options().destroy_timeout);
}

asio::awaitable<void> GardenClient::stop(std::string handle, bool kill) {
  std::string body = json::serialize(json::object{{"kill", kill}});
  co_await impl_->call("PUT", container_path(handle, "/stop"), std::move(body), impl_->options().destroy_timeout);
}

asio::awaitable<garden::ContainerInfo> GardenClient::info(std::string handle) {
  const json::value answer = co_await impl_->call("GET", container_path(handle, "/info"));
  co_return garden::container_info_from_json(answer);
}

asio::awaitable<std::map<std::string, BulkEntry<garden::ContainerInfo>>> GardenClient::bulk_info(
    std::vector<std::string> handles) {
  const json::value answer = co_await impl_->call("GET", "/containers/bulk_info" + handles_query(handles));
  co_return bulk_entries<garden::ContainerInfo>(answer, "Info", garden::container_info_from_json);
}

asio::awaitable<garden::ContainerMetrics> GardenClient::metrics(std::string handle) {
  const json::value answer = co_await impl_->call("GET", container_path(handle, "/metrics"));
  co_return garden::container_metrics_from_json(answer);
}

asio::awaitable<std::map<std::string, BulkEntry<garden::ContainerMetrics>>> GardenClient::bulk_metrics(
    std::vector<std::string> handles) {
  const json::value answer = co_await impl_->call("GET", "/containers/bulk_metrics" + handles_query(handles));
  co_return bulk_entries<garden::ContainerMetrics>(answer, "Metrics", garden::container_metrics_from_json);
}

asio::awaitable<void> GardenClient::stream_in(std::string handle, std::string user, std::string destination,
                                              net::BodySource tar) {
  co_await impl_->stream_in(container_path(handle, "/files?user=" + net::percent_encode(user) +
                                                       "&destination=" + net::percent_encode(destination)),
                            std::move(tar));
}

asio::awaitable<std::unique_ptr<GardenTarStream>> GardenClient::stream_out(std::string handle, std::string user,
                                                                           std::string source) {
  auto answer = co_await impl_->open("GET", container_path(handle, "/files?user=" + net::percent_encode(user) +
                                                                       "&source=" + net::percent_encode(source)));
  co_return std::make_unique<TarStream>(std::move(answer), impl_->options().stream_pause);
}

asio::awaitable<garden::PortMapping> GardenClient::net_in(std::string handle, std::uint32_t host_port,
                                                          std::uint32_t container_port) {
  const json::object body{{"handle", handle}, {"host_port", host_port}, {"container_port", container_port}};
  const json::value answer = co_await impl_->call("POST", container_path(handle, "/net/in"), json::serialize(body));
  const garden::NetIn mapped = garden::net_in_from_json(answer);
  co_return garden::PortMapping{mapped.host_port, mapped.container_port};
}

asio::awaitable<void> GardenClient::net_out(std::string handle, garden::NetOutRule rule) {
  co_await impl_->call("POST", container_path(handle, "/net/out"), json::serialize(garden::to_json(rule)));
}

asio::awaitable<void> GardenClient::bulk_net_out(std::string handle, std::vector<garden::NetOutRule> rules) {
  json::array list;
  for (const auto& rule : rules) list.push_back(garden::to_json(rule));
  co_await impl_->call("POST", container_path(handle, "/net/out/bulk"), json::serialize(list));
}

asio::awaitable<std::unique_ptr<GardenProcess>> GardenClient::run(std::string handle, garden::ProcessSpec spec,
                                                                  ProcessIO io) {
  std::string body = json::serialize(garden::to_json(spec));
  std::string target = container_path(handle, "/processes");
  auto process = co_await impl_->start(std::move(handle), "POST", std::move(target), std::move(body), std::move(io));
  co_return process;
}

asio::awaitable<std::unique_ptr<GardenProcess>> GardenClient::attach(std::string handle, std::string process_id,
                                                                     ProcessIO io) {
  std::string target = container_path(handle, "/processes/" + net::percent_encode(process_id));
  auto process = co_await impl_->start(std::move(handle), "GET", std::move(target), "", std::move(io));
  co_return process;
}

asio::awaitable<garden::Properties> GardenClient::properties(std::string handle) {
  const json::value answer = co_await impl_->call("GET", container_path(handle, "/properties"));
  co_return garden::properties_from_json(answer);
}

asio::awaitable<std::string> GardenClient::property(std::string handle, std::string key) {
  const json::value answer =
      co_await impl_->call("GET", container_path(handle, "/properties/" + net::percent_encode(key)));
  const auto* value = garden::find_member(answer, "value");
  co_return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

asio::awaitable<void> GardenClient::set_property(std::string handle, std::string key, std::string value) {
  std::string body = json::serialize(json::object{{"value", value}});
  co_await impl_->call("PUT", container_path(handle, "/properties/" + net::percent_encode(key)), std::move(body));
}

asio::awaitable<void> GardenClient::remove_property(std::string handle, std::string key) {
  co_await impl_->call("DELETE", container_path(handle, "/properties/" + net::percent_encode(key)));
}

asio::awaitable<void> GardenClient::set_grace_time(std::string handle, std::chrono::nanoseconds grace_time) {
  co_await impl_->call("PUT", container_path(handle, "/grace_time"), std::to_string(grace_time.count()));
}

}  // namespace rivera::clients
