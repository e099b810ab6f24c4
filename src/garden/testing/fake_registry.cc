#include "garden/testing/fake_registry.h"

#include <algorithm>

#include "base/work/wait.h"

namespace rivera::garden {

FakeRegistry::FakeRegistry(asio::any_io_executor executor, std::optional<net::TlsContext> tls) {
  net::HttpServerOptions options;
  options.address = "127.0.0.1:0";
  options.tls = std::move(tls);
  server_ = std::make_unique<net::HttpServer>(
      std::move(executor), std::move(options), [this](net::HttpExchange& exchange) { return serve(exchange); },
      base::Logger::discard());
  server_->listen();
  server_->start();
}

void FakeRegistry::add(const std::string& tag, const TestImage& image) {
  manifests[tag] = image;
  manifests[image.manifest_digest] = image;
  for (const auto& [digest, bytes] : image.blobs) blobs[digest] = bytes;
}

std::size_t FakeRegistry::count(const std::string& part) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      requests, [&](const net::RequestHead& request) { return request.target.find(part) != std::string::npos; }));
}

asio::awaitable<void> FakeRegistry::serve(net::HttpExchange& exchange) {
  requests.push_back(exchange.request());
  if (intercept) {
    auto response = intercept(exchange.request());
    if (response) {
      co_await exchange.respond(std::move(*response));
      co_return;
    }
  }
  const std::string path(exchange.request().path());
  if (path == "/v2/") {
    co_await exchange.respond(net::json_response(200, "{}"));
    co_return;
  }
  const std::string last = path.substr(path.rfind('/') + 1);
  if (path.find("/manifests/") != std::string::npos && manifests.contains(last)) {
    net::HttpResponse response;
    response.headers.set("Content-Type", manifests[last].manifest_type);
    response.body = manifests[last].manifest;
    co_await exchange.respond(std::move(response));
  } else if (path.find("/blobs/") != std::string::npos && blobs.contains(last)) {
    co_await send_blob(exchange, last);
  } else {
    co_await exchange.respond(net::json_response(404, R"({"errors":[]})"));
  }
}

asio::awaitable<void> FakeRegistry::send_blob(net::HttpExchange& exchange, const std::string& digest) {
  const std::string& whole = blobs[digest];
  std::size_t from = 0;
  net::ResponseHead head;
  const std::string range(exchange.request().headers.get("Range"));
  if (has_ranges && range.starts_with("bytes=")) {
    from = std::stoul(range.substr(6));
    head.status = 206;
    head.headers.set("Content-Range", "bytes " + std::to_string(from) + "-" + std::to_string(whole.size() - 1) + "/" +
                                          std::to_string(whole.size()));
  }
  head.headers.set("Content-Length", std::to_string(whole.size() - from));
  const std::int64_t sent = break_off ? break_off(digest) : -1;
  co_await exchange.begin_response(std::move(head));
  const std::string_view rest = std::string_view(whole).substr(from);
  if (sent >= 0 && static_cast<std::size_t>(sent) < rest.size()) {
    co_await exchange.write_body(rest.substr(0, static_cast<std::size_t>(sent)));
    throw std::runtime_error("broken off");
  }
  if (drip.count() > 0) {
    for (std::size_t i = 0; i < rest.size(); ++i) {
      co_await base::sleep_for(drip);
      co_await exchange.write_body(rest.substr(i, 1));
    }
  } else {
    co_await exchange.write_body(rest);
  }
  co_await exchange.end_response();
}

}  // namespace rivera::garden
