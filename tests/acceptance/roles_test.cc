// What the certificates of ./run may do: each component its own work (docs/security.md).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/ids.h"
#include "cluster/prepare/certificates.h"
#include "harness/cluster_under_test.h"
#include "net/http/http_client.h"
#include "net/nats/nats_client.h"

namespace rivera::harness {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

asio::awaitable<net::HttpResponse> ask(net::TlsFiles tls, std::string url, std::string method, std::string path) {
  const auto executor = co_await asio::this_coro::executor;
  net::HttpClientOptions options;
  options.tls = net::TlsContext::client(tls);
  net::HttpClient client(executor, options);
  net::HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(path);
  const auto endpoint = net::Endpoint::parse(url);
  auto response = co_await client.send(endpoint, std::move(request), seconds(20));
  co_return response;
}

class Roles : public ::testing::Test {
 protected:
  // cfdot with the certificate of a component.
  base::CommandResult cfdot_as(const std::string& component, std::vector<std::string> arguments) const {
    const net::TlsFiles tls = cluster::tls_files(settings_, component);
    arguments.insert(arguments.end(), {"--clientCertFile", tls.certificate_file, "--clientKeyFile", tls.key_file});
    return cluster_.cfdot(std::move(arguments));
  }

  net::HttpResponse ask_as(const std::string& component, std::uint16_t port, const std::string& method,
                           const std::string& path) const {
    const auto url = fmt::format("https://127.0.0.1:{}", port);
    return cluster::run_coroutine(ask(cluster::tls_files(settings_, component), url, method, path));
  }

  ClusterUnderTest& cluster_ = ClusterUnderTest::shared();
  const cluster::Settings& settings_ = cluster_.settings();
};

TEST_F(Roles, TheRouterReadsNeitherTheBbsNorCells) {
  const auto cells = cfdot_as("gorouter", {"cells"});
  EXPECT_NE(cells.exit_status, 0);
  EXPECT_THAT(cells.error, HasSubstr("OU=gorouter,CN=gorouter may not call /v1/cells/list.r1"));
  const auto state = ask_as("gorouter", settings_.ports.rep(), "GET", "/state");
  EXPECT_EQ(state.status, 403);
  EXPECT_EQ(state.body, "OU=gorouter,CN=gorouter may not call /state\n");
}

TEST_F(Roles, ACellDesiresNothingAndHoldsNoLocks) {
  const auto domain = cfdot_as("rep", {"set-domain", "d", "-t", "60s"});
  EXPECT_NE(domain.exit_status, 0);
  EXPECT_THAT(domain.error, HasSubstr("OU=rep,CN=rep may not call /v1/domains/upsert"));
  const auto lock = cfdot_as("rep", {"claim-lock", "-k", "a-lock", "-o", "rep", "-t", "60"});
  EXPECT_NE(lock.exit_status, 0);
  EXPECT_THAT(lock.error, HasSubstr("may not call /models.Locket/Lock"));
  EXPECT_EQ(ask_as("rep", settings_.ports.auctioneer(), "POST", "/v1/lrps").status, 403);
  EXPECT_EQ(ask_as("rep", settings_.ports.rep(), "POST", "/work").status, 403);
}

TEST_F(Roles, PeopleGiveCellsNoWorkButSeeThem) {
  EXPECT_EQ(cluster_.cfdot({"cell-states"}).exit_status, 0);
  EXPECT_EQ(cluster_.cfdot({"locks"}).exit_status, 0);
  EXPECT_EQ(ask_as("client", settings_.ports.rep(), "POST", "/work").status, 403);
  EXPECT_EQ(ask_as("client", settings_.ports.auctioneer(), "POST", "/v1/tasks").status, 403);
}

TEST_F(Roles, ACertificateForServersIsNoClients) {
  EXPECT_THROW(ask_as("nats", settings_.ports.bbs(), "POST", "/v1/ping"), net::TransportError);
  EXPECT_THROW(ask_as("locket", settings_.ports.rep(), "GET", "/state"), net::TransportError);
}

net::NatsClientOptions nats_options(const cluster::Settings& settings, const std::string& component) {
  net::NatsClientOptions options;
  options.servers = {fmt::format("127.0.0.1:{}", settings.ports.nats())};
  options.tls = net::TlsContext::client(cluster::tls_files(settings, component));
  return options;
}

// Whether a registration that a component sends is heard.
asio::awaitable<bool> registers(net::NatsClientOptions component, net::NatsClientOptions listener) {
  const auto executor = co_await asio::this_coro::executor;
  const std::string message = fmt::format(R"({{"uris":[],"tags":{{"test":"{}"}}}})", base::new_guid());
  net::NatsClient hearing(executor, std::move(listener), base::Logger::discard());
  co_await hearing.connect();
  bool is_heard = false;
  const auto subscription = hearing.subscribe(
      "router.register", [&](const net::NatsMessage& heard) { is_heard = is_heard || heard.payload == message; });
  co_await hearing.flush(seconds(10));
  net::NatsClient saying(executor, std::move(component), base::Logger::discard());
  try {
    co_await saying.connect();
    saying.publish("router.register", message);
    co_await saying.flush(seconds(10));
  } catch (const net::NatsError&) {
    // It is not let in.
  }
  co_await saying.close();
  co_await hearing.flush(seconds(10));
  co_await hearing.close();
  co_return is_heard;
}

TEST_F(Roles, OnlyEmittersRegisterRoutes) {
  const auto may_register = [this](const std::string& component) {
    return cluster::run_coroutine(registers(nats_options(settings_, component), nats_options(settings_, "client")));
  };
  EXPECT_TRUE(may_register("route-emitter"));
  for (const std::string component : {"rep", "gorouter", "bbs"}) EXPECT_FALSE(may_register(component)) << component;
}

}  // namespace
}  // namespace rivera::harness
