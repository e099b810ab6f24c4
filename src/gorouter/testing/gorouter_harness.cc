#include "gorouter/testing/gorouter_harness.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <fmt/format.h>

#include "base/work/wait.h"

namespace rivera::gorouter {

using namespace std::chrono_literals;

TestApp::TestApp(asio::any_io_executor executor, std::string name, net::HttpHandler handler,
                 std::optional<net::TlsContext> tls)
    : name_(std::move(name)), handler_(std::move(handler)) {
  net::HttpServerOptions options;
  options.address = "127.0.0.1:0";
  options.tls = std::move(tls);
  server_ = std::make_unique<net::HttpServer>(
      executor, options, [this](net::HttpExchange& exchange) { return serve(exchange); }, base::Logger::discard());
  server_->listen();
  server_->start();
}

std::uint16_t TestApp::port() const {
  const std::string address = server_->address();
  return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

asio::awaitable<void> TestApp::serve(net::HttpExchange& exchange) {
  ++requests_;
  if (handler_) {
    co_await handler_(exchange);
    co_return;
  }
  const auto& request = exchange.request();
  net::HttpResponse response = net::text_response(200, "");
  if (request.path() == "/echo") {
    response.body = co_await exchange.read_body(64u << 20);
  } else {
    response.body = fmt::format("{}\n{} {}\n", name_, request.method, request.target);
    for (const auto& [field, value] : request.headers) response.body += fmt::format("{}: {}\n", field, value);
  }
  co_await exchange.respond(std::move(response));
}

GorouterHarness::GorouterHarness() {
  config_.nats.hosts = {nats_.address()};
  config_.port = 0;
  config_.status.host = "127.0.0.1";
  config_.status.port = 0;
  config_.status.routes_port = 0;
  config_.status.user = "user";
  config_.status.pass = "pass:word";
  config_.start_response_delay = 0s;
  config_.disable_keep_alives = false;
  config_.max_idle_conns_per_host = 100;
  config_.max_attempts = 3;
  config_.drain_timeout = 5s;
}

void GorouterHarness::with_router(std::function<asio::awaitable<void>()> body) {
  asio::io_context io;
  executor_ = asio::make_strand(io);
  workers_ = std::make_unique<base::WorkerPool>(2);
  std::exception_ptr failure;
  auto work = [&]() -> asio::awaitable<void> {
    router_ = std::make_unique<Gorouter>(executor_, *workers_, config_, base::Logger::discard(),
                                         [this](int status) { exit_status_ = status; });
    router_->start();
    net::NatsClientOptions options;
    options.servers = {nats_.address()};
    options.reconnect_wait = 10ms;
    bus_ = std::make_unique<net::NatsClient>(executor_, options, base::Logger::discard());
    co_await bus_->connect();
    client_ = std::make_unique<net::HttpClient>(executor_);
    co_await until([&] { return router_->is_serving(); });
    co_await body();
  };
  auto guarded = [&]() -> asio::awaitable<void> {
    std::exception_ptr inner;
    try {
      co_await base::within(60s, "the test", work());
    } catch (...) {
      inner = std::current_exception();
    }
    client_.reset();
    if (bus_) co_await bus_->close();
    if (router_) co_await router_->stop();
    if (inner) std::rethrow_exception(inner);
  };
  asio::co_spawn(executor_, guarded(), [&](std::exception_ptr e) {
    failure = e;
    io.stop();
  });
  io.run();
  router_.reset();
  bus_.reset();
  executor_ = {};
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> GorouterHarness::until(std::function<bool()> condition) {
  while (!condition()) co_await base::sleep_for(5ms);
}

// The server delivers to the router in the order of publishing: the reply to a greeting that follows the message shows
// that the router has applied it.
asio::awaitable<void> GorouterHarness::publish(std::string subject, std::string payload) {
  bus_->publish(subject, payload);
  co_await bus_->flush(10s);
  // The router applies all earlier messages before it replies.
  co_await bus_->request("router.greet", "", 10s);
}

asio::awaitable<void> GorouterHarness::register_app(const TestApp& app, std::string uri,
                                                    std::function<void(routing::RegistryMessage&)> adjust) {
  routing::RegistryMessage message;
  message.host = "127.0.0.1";
  message.port = app.port();
  message.uris.push_back(std::move(uri));
  message.app = "app-guid";
  message.private_instance_index = "0";
  message.private_instance_id = "instance-" + std::to_string(app.port());
  if (adjust) adjust(message);
  std::string payload = to_json(message);
  co_await publish("router.register", std::move(payload));
}

asio::awaitable<void> GorouterHarness::unregister_app(const TestApp& app, std::string uri) {
  routing::RegistryMessage message;
  message.host = "127.0.0.1";
  message.port = app.port();
  message.uris.push_back(std::move(uri));
  std::string payload = to_json(message);
  co_await publish("router.unregister", std::move(payload));
}

asio::awaitable<std::unique_ptr<net::Stream>> GorouterHarness::connect() {
  auto endpoint =
      net::Endpoint::parse("http://127.0.0.1" + router_->http_address().substr(router_->http_address().rfind(':')));
  auto stream = co_await net::connect(std::move(endpoint), {}, 5s);
  co_return stream;
}

asio::awaitable<std::string> GorouterHarness::exchange_bytes(std::string request) {
  auto stream = co_await connect();
  co_await stream->write(request);
  std::string answer = co_await read_to_end(*stream);
  co_return answer;
}

asio::awaitable<net::HttpResponse> GorouterHarness::get(std::string host, std::string path) {
  net::Headers none;
  return get_with(std::move(host), std::move(path), std::move(none));
}

asio::awaitable<net::HttpResponse> GorouterHarness::get_with(std::string host, std::string path, net::Headers headers) {
  auto endpoint =
      net::Endpoint::parse("http://127.0.0.1" + router_->http_address().substr(router_->http_address().rfind(':')));
  net::HttpRequest request;
  request.method = "GET";
  request.target = std::move(path);
  request.headers = std::move(headers);
  request.headers.set("Host", std::move(host));
  auto response = co_await client_->send(std::move(endpoint), std::move(request));
  co_return response;
}

asio::awaitable<std::string> read_until(net::Stream& stream, std::string part) {
  std::string all;
  char piece[4096];
  while (part.empty() || all.find(part) == std::string::npos) {
    const std::size_t n = co_await stream.read_some(piece);
    if (n == 0) break;
    all.append(piece, n);
  }
  co_return all;
}

asio::awaitable<std::string> read_to_end(net::Stream& stream) { return read_until(stream, ""); }

}  // namespace rivera::gorouter
