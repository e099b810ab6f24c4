#include "file_server/file_server.h"

namespace rivera::file_server {
namespace {

std::string_view without_port(std::string_view host) {
  const auto colon = host.rfind(':');
  const bool in_brackets = colon != std::string_view::npos && host.find(']', colon) != std::string_view::npos;
  return colon == std::string_view::npos || in_brackets ? host : host.substr(0, colon);
}

}  // namespace

FileServer::FileServer(asio::any_io_executor executor, base::WorkerPool& workers, const Config& config,
                       base::Logger logger)
    : metrics_("file_server"), files_(executor, config.static_directory, workers, logger) {
  const auto serve_files = [this](net::HttpExchange& exchange) { return files_.serve(exchange); };
  net::HttpServerOptions options;
  options.address = config.server_address;
  options.limits = config.client_limits;
  if (config.https_server_enabled) {
    net::HttpServerOptions secure;
    secure.address = config.https_listen_addr;
    secure.limits = config.client_limits;
    secure.tls = net::TlsContext::server(config.cert_file, config.key_file);
    https_ = std::make_unique<net::HttpServer>(executor, secure, serve_files, logger.session("https-server"));
    https_->listen();
    https_port_ = https_->address().substr(https_->address().rfind(':') + 1);
    const auto send_away = [this](net::HttpExchange& exchange) { return redirect(exchange); };
    plain_ = std::make_unique<net::HttpServer>(executor, options, send_away, logger.session("server"));
  } else {
    plain_ = std::make_unique<net::HttpServer>(executor, options, serve_files, logger.session("server"));
  }
  plain_->listen();
  debug_server_ =
      std::make_unique<net::DebugServer>(executor, config.debug_address, metrics_, logger, config.client_limits);
}

FileServer::~FileServer() = default;

void FileServer::start() {
  plain_->start();
  if (https_) https_->start();
}

asio::awaitable<void> FileServer::redirect(net::HttpExchange& exchange) const {
  const std::string host(without_port(exchange.request().headers.get("Host")));
  net::HttpResponse response = net::text_response(301, "Moved Permanently\n");
  response.headers.set("Location", "https://" + host + ":" + https_port_ + exchange.request().target);
  return exchange.respond(std::move(response));
}

asio::awaitable<void> FileServer::stop() {
  co_await plain_->stop(std::chrono::seconds(5));
  if (https_) co_await https_->stop(std::chrono::seconds(5));
  co_await debug_server_->stop();
}

}  // namespace rivera::file_server
