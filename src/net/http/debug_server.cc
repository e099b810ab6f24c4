#include "net/http/debug_server.h"

namespace rivera::net {

DebugServer::DebugServer(asio::any_io_executor executor, const std::string& address, const base::Metrics& metrics,
                         base::Logger logger, ClientLimits limits, Variables variables) {
  if (address.empty()) return;
  if (variables) {
    router_.add("GET", "/debug/vars", [variables](HttpExchange& exchange, const PathParameters&) {
      return exchange.respond(json_response(200, variables()));
    });
  }
  router_.add("GET", "/metrics", [&metrics](HttpExchange& exchange, const PathParameters&) {
    auto response = text_response(200, metrics.prometheus_text());
    response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    return exchange.respond(std::move(response));
  });
  router_.add("GET", "/healthz", [](HttpExchange& exchange, const PathParameters&) {
    return exchange.respond(text_response(200, "ok\n"));
  });
  // "debug", "info", "error" or "fatal", as lager's debug server takes it.
  router_.add_simple(
      "PUT", "/log-level",
      [logger](HttpRequest request, const PathParameters&) -> asio::awaitable<HttpResponse> {
        HttpResponse response;
        try {
          logger.set_level(base::parse_log_level(request.body));
        } catch (const std::invalid_argument& e) {
          response = text_response(400, e.what());
        }
        co_return response;
      },
      64);
  HttpServerOptions options;
  options.address = address;
  options.limits = limits;
  options.max_connections = connection_share(kOperatorShare, 1000);
  server_ = std::make_unique<HttpServer>(std::move(executor), std::move(options), router_.handler(),
                                         logger.session("debug-server"));
  server_->listen();
  server_->start();
}

DebugServer::~DebugServer() = default;

asio::awaitable<void> DebugServer::stop() {
  if (server_) co_await server_->stop(std::chrono::seconds(1));
}

}  // namespace rivera::net
