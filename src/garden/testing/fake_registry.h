// A registry in the test's own process, for what a real one does not do: tokens, redirects, downloads that break off,
// wrong content.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/asio.h"
#include "garden/testing/test_image.h"
#include "net/http/http_server.h"

namespace rivera::garden {

class FakeRegistry {
 public:
  explicit FakeRegistry(asio::any_io_executor executor, std::optional<net::TlsContext> tls = std::nullopt);

  std::string address() const { return server_->address(); }  // "127.0.0.1:1234"
  asio::awaitable<void> stop() { return server_->stop(std::chrono::nanoseconds(0)); }

  void add(const std::string& tag, const TestImage& image);
  // "docker://127.0.0.1:1234/test/image#tag".
  std::string uri(const std::string& tag) const { return "docker://" + address() + "/test/image#" + tag; }

  // Answers a request instead of the registry, if it returns a response.
  std::function<std::optional<net::HttpResponse>(const net::RequestHead&)> intercept;
  // How many bytes of a blob's body are sent before the connection breaks; -1: all. Called with the digest.
  std::function<std::int64_t(const std::string& digest)> break_off;
  // Between two bytes of a blob's body; zero: it is sent as fast as it is read.
  std::chrono::milliseconds drip{0};
  // Whether ranges are honoured.
  bool has_ranges = true;
  std::map<std::string, std::string> blobs;          // by digest
  std::map<std::string, TestImage> manifests;        // by tag and by digest
  std::vector<net::RequestHead> requests;            // all that came
  std::size_t count(const std::string& part) const;  // of the requests whose target holds this

 private:
  asio::awaitable<void> serve(net::HttpExchange& exchange);
  asio::awaitable<void> send_blob(net::HttpExchange& exchange, const std::string& digest);

  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace rivera::garden
