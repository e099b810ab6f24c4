// Connections to a name that has several addresses, some of which do not work.
#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "net/http/http_server.h"
#include "net/stream/dial.h"
#include "net/stream/endpoint.h"
#include "net/testing/stopped_server.h"
#include "net/testing/test_certificates.h"
#include "net/testing/test_name_server.h"

namespace rivera::net {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr char kName[] = "bbs.test.internal";
constexpr std::chrono::nanoseconds kLimit = 20s;
constexpr std::chrono::nanoseconds kSoon = 5s;  // a quarter of the limit: its share of four addresses

// Connects to the name's only server that works, by both ways that there are.
class SeveralAddresses : public ::testing::TestWithParam<const char*> {
 protected:
  SeveralAddresses() {
    CertificateRequest request;
    request.dns_names = {kName};
    options_.address = "127.0.0.3:0";
    options_.tls = TlsContext::mutual_server(certificates_.issue(request));
  }

  asio::awaitable<void> expect_both(asio::any_io_executor executor) {
    HttpServer server(
        executor, options_, [](HttpExchange&) -> asio::awaitable<void> { co_return; }, base::Logger::discard());
    server.listen();
    server.start();
    const std::string here = server.address();
    const auto port = static_cast<std::uint16_t>(std::stoi(here.substr(here.find(':') + 1)));
    const StoppedServer stopped("127.0.0.2", port), other_stopped("127.0.0.4", port);

    const TlsContext tls = TlsContext::client(certificates_.client());
    auto begun = Clock::now();
    const auto stream =
        co_await connect(Endpoint::parse("https://" + std::string(kName) + ":" + std::to_string(port)), tls, kLimit);
    EXPECT_EQ(stream->peer_address(), here);
    EXPECT_LT(Clock::now() - begun, kSoon);

    DialTarget target;
    target.host = kName;
    target.port = port;
    target.tls = tls;
    target.connect_timeout = kLimit;
    target.handshake_timeout = kLimit;
    begun = Clock::now();
    const auto dialled = co_await dial(std::move(target));
    EXPECT_EQ(dialled->peer_address(), here);
    EXPECT_LT(Clock::now() - begun, kSoon);
    co_await server.stop(0s);
  }

  TestCertificates certificates_;
  HttpServerOptions options_;
};

// .2 and .4 accept connections and say nothing, .5 refuses them.
TEST_P(SeveralAddresses, AreTriedBesideOneAnotherUpToTheEndOfTheHandshake) {
  const std::map<std::string, std::string> known{{kName, GetParam()}};
  const TestNameServer names(known);
  base::run([&](asio::any_io_executor executor) { return expect_both(executor); });
}

INSTANTIATE_TEST_SUITE_P(Orders, SeveralAddresses,
                         ::testing::Values("127.0.0.2,127.0.0.3", "127.0.0.3,127.0.0.2", "127.0.0.5,127.0.0.3",
                                           "127.0.0.2,127.0.0.5,127.0.0.4,127.0.0.3"),
                         [](const auto& order) { return "No" + std::to_string(order.index); });

TEST(SilentAddresses, AreGivenUpInTime) {
  const std::map<std::string, std::string> known{{kName, "127.0.0.2,127.0.0.4"}};
  const TestNameServer names(known);
  base::run([&](asio::any_io_executor) -> asio::awaitable<void> {
    TestCertificates certificates;
    const TlsContext tls = TlsContext::client(certificates.client());
    const StoppedServer one("127.0.0.2");
    const StoppedServer other("127.0.0.4", one.port());
    std::string failure;
    const auto begun = Clock::now();
    try {
      co_await connect(Endpoint::parse("https://" + std::string(kName) + ":" + std::to_string(one.port())), tls, 200ms);
    } catch (const TransportError& e) {
      failure = e.what();
    }
    EXPECT_NE(failure, "");
    EXPECT_LT(Clock::now() - begun, kSoon);

    DialTarget target;
    target.host = kName;
    target.port = one.port();
    target.tls = tls;
    target.handshake_timeout = 200ms;
    bool timed_out = false;
    auto stage = DialError::Stage::kConnect;
    try {
      co_await dial(std::move(target));
    } catch (const DialError& e) {
      timed_out = e.timed_out;
      stage = e.stage;
    }
    EXPECT_TRUE(timed_out);
    EXPECT_EQ(stage, DialError::Stage::kHandshake);
    EXPECT_LT(Clock::now() - begun, kSoon);
  });
}

}  // namespace
}  // namespace rivera::net
