// A client of a BBS that has been stopped (SIGSTOP) changes to the one that took over.
#include "clients/bbs_client.h"

#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "base/work/task_group.h"
#include "net/http/http_server.h"
#include "net/stream/stream_factory.h"
#include "net/testing/test_certificates.h"
#include "net/testing/test_name_server.h"

namespace rivera::clients {
namespace {

using namespace std::chrono_literals;

constexpr char kName[] = "bbs.test.internal";

// Answers one request, with no domains. From then on the kernel accepts connections, and nothing is said on any.
class BbsThatStops {
 public:
  BbsThatStops(const asio::any_io_executor& executor, net::TlsContext tls)
      : acceptor_(executor, {asio::ip::make_address("127.0.0.2"), 0}), tls_(std::move(tls)) {}
  std::string port() const { return std::to_string(acceptor_.local_endpoint().port()); }

  asio::awaitable<void> serve_once() {
    net::TcpSocket socket = co_await acceptor_.async_accept(asio::use_awaitable);
    stream_ = co_await net::accept_tls(std::move(socket), tls_, 20s);
    std::string got;
    char buffer[4096];
    while (got.find("\r\n\r\n") == std::string::npos) {
      const std::size_t n = co_await stream_->read_some(buffer);
      if (n == 0) co_return;
      got.append(buffer, n);
    }
    co_await stream_->write("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n");
  }

 private:
  asio::ip::tcp::acceptor acceptor_;
  net::TlsContext tls_;
  std::unique_ptr<net::Stream> stream_;
};

// Names one domain.
std::unique_ptr<net::HttpServer> successor(const asio::any_io_executor& executor, const std::string& address,
                                           net::TlsContext tls) {
  net::HttpServerOptions options;
  options.address = address;
  options.tls = std::move(tls);
  auto handler = [](net::HttpExchange& exchange) -> asio::awaitable<void> {
    co_await exchange.read_body(1 << 20);
    models::DomainsResponse domains;
    domains.add_domains("a-domain");
    net::HttpResponse response = net::text_response(200, domains.SerializeAsString());
    response.headers.set("Content-Type", "application/x-protobuf");
    co_await exchange.respond(std::move(response));
  };
  auto server = std::make_unique<net::HttpServer>(executor, options, handler, base::Logger::discard());
  server->listen();
  server->start();
  return server;
}

TEST(BbsClient, LeavesABbsThatHasStoppedForItsSuccessorLongBeforeARequestIsOverdue) {
  const std::map<std::string, std::string> known{{kName, "127.0.0.2,127.0.0.3"}};
  const net::TestNameServer names(known);
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    net::TestCertificates certificates;
    net::CertificateRequest request;
    request.dns_names = {kName};
    const auto tls = net::TlsContext::mutual_server(certificates.issue(request));
    BbsThatStops old(executor, tls);
    base::TaskGroup group(executor, base::Logger("test"));
    group.spawn("old", old.serve_once());
    BbsClientOptions options;
    options.url = "https://" + std::string(kName) + ":" + old.port();
    options.tls = certificates.client();
    options.request_timeout = 60s;
    options.answer_quiet_limit = 100ms;
    options.ping_limit = 200ms;
    BbsClient client(executor, options);
    auto domains = co_await client.domains();
    EXPECT_TRUE(domains.empty());

    auto server = successor(executor, "127.0.0.3:" + old.port(), tls);
    const auto begun = std::chrono::steady_clock::now();
    domains = co_await client.domains();
    EXPECT_EQ(domains.size(), 1u);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
    co_await group.stop();
    co_await server->stop(0s);
  });
}

TEST(BbsClient, WaitsForAnAnswerAsLongAsItsServerAnswersPings) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    base::Condition pinged(executor);
    int pings = 0;
    int calls = 0;
    net::HttpServerOptions server_options;
    server_options.address = "127.0.0.1:0";
    auto handler = [&](net::HttpExchange& exchange) -> asio::awaitable<void> {
      co_await exchange.read_body(1 << 20);
      if (exchange.request().path() == "/v1/ping") {
        ++pings;
        pinged.notify_all();
      } else {
        ++calls;
        while (pings < 3) co_await pinged.wait();
      }
      net::HttpResponse response = net::text_response(200, "");
      response.headers.set("Content-Type", "application/x-protobuf");
      co_await exchange.respond(std::move(response));
    };
    net::HttpServer server(executor, server_options, handler, base::Logger::discard());
    server.listen();
    server.start();
    BbsClientOptions options;
    options.url = "http://" + server.address();
    options.answer_quiet_limit = 20ms;
    BbsClient client(executor, options);
    base::TaskGroup group(executor, base::Logger("test"));
    auto call = [&]() -> asio::awaitable<void> { co_await client.domains(); };
    for (int i = 0; i < 5; ++i) group.spawn("call", call());
    co_await group.join();
    EXPECT_EQ(calls, 5) << "none was given up";
    EXPECT_LT(pings, 12) << "calls that wait for the same server share a ping";
    co_await server.stop(0s);
  });
}

}  // namespace
}  // namespace rivera::clients
