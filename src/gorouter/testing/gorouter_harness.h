// A router with a bus and backends, all in one process, for tests.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/work/worker_pool.h"
#include "gorouter/gorouter.h"
#include "net/http/http_client.h"
#include "net/http/http_server.h"
#include "net/nats/nats_client.h"
#include "net/testing/nats_test_server.h"
#include "net/testing/test_certificates.h"
#include "routing/registry_message.h"

namespace rivera::gorouter {

// An application: an HTTP server that echoes requests.
//
//   GET /anything            its name and the request head as received
//   POST /echo               the body
class TestApp {
 public:
  TestApp(asio::any_io_executor executor, std::string name, net::HttpHandler handler = {},
          std::optional<net::TlsContext> tls = {});
  std::uint16_t port() const;
  std::string address() const { return server_->address(); }
  int requests() const { return requests_; }
  asio::awaitable<void> stop() { return server_->stop(std::chrono::nanoseconds(0)); }

 private:
  asio::awaitable<void> serve(net::HttpExchange& exchange);

  std::string name_;
  net::HttpHandler handler_;
  std::unique_ptr<net::HttpServer> server_;
  int requests_ = 0;
};

class GorouterHarness : public ::testing::Test {
 protected:
  GorouterHarness();

  // Starts a router with config_, waits until it serves, runs the body, stops everything; at most a minute.
  void with_router(std::function<asio::awaitable<void>()> body);
  // Inside the body: registers or unregisters, and waits until the router has applied it.
  asio::awaitable<void> register_app(const TestApp& app, std::string uri,
                                     std::function<void(routing::RegistryMessage&)> adjust = {});
  asio::awaitable<void> unregister_app(const TestApp& app, std::string uri);
  asio::awaitable<void> publish(std::string subject, std::string payload);

  // Sends one request on its own connection and returns all bytes until the router closes it. The request must say
  // "Connection: close".
  asio::awaitable<std::string> exchange_bytes(std::string request);
  asio::awaitable<std::unique_ptr<net::Stream>> connect();
  asio::awaitable<net::HttpResponse> get(std::string host, std::string path = "/");
  asio::awaitable<net::HttpResponse> get_with(std::string host, std::string path, net::Headers headers);

  static asio::awaitable<void> until(std::function<bool()> condition);

  base::TemporaryDirectory directory_;
  net::NatsTestServer nats_;
  Config config_;
  asio::any_io_executor executor_;
  std::unique_ptr<base::WorkerPool> workers_;
  std::unique_ptr<Gorouter> router_;
  std::unique_ptr<net::NatsClient> bus_;
  std::unique_ptr<net::HttpClient> client_;
  int exit_status_ = -1;
};

// Reads until `part` has arrived, or the stream ends.
asio::awaitable<std::string> read_until(net::Stream& stream, std::string part);
asio::awaitable<std::string> read_to_end(net::Stream& stream);

}  // namespace rivera::gorouter
