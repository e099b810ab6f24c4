// The bus, limits, drain, and status documents.
#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/bytes.h"
#include "base/work/wait.h"
#include "gorouter/gorouter.h"
#include "gorouter/testing/gorouter_harness.h"

namespace rivera::gorouter {
namespace {

using namespace std::chrono_literals;

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_F(GorouterHarness, AnnouncesItselfAndAnswersGreetings) {
  config_.index = 3;
  config_.registry.stale_threshold = 120s;
  with_router([&]() -> asio::awaitable<void> {
    const std::string answer = co_await bus_->request("router.greet", "", 10s);
    const auto message = boost::json::parse(answer).as_object();
    EXPECT_TRUE(message.at("id").as_string().starts_with("3-"));
    EXPECT_EQ(message.at("minimumRegisterIntervalInSeconds").as_int64(), 0);
    EXPECT_EQ(message.at("pruneThresholdInSeconds").as_int64(), 120);
    EXPECT_EQ(message.at("hosts").as_array().size(), 1u);
    std::string start;
    auto subscription = bus_->subscribe("router.start", [&](const net::NatsMessage& m) { start = m.payload; });
    nats_.stop();
    nats_.start();
    co_await until([&] { return !start.empty(); });
    EXPECT_EQ(start, answer);
  });
}

TEST_F(GorouterHarness, IgnoresMalformedMessages) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    for (const char* bad : {"", "{", "[]", R"({"host":1})", R"({"uris":["x"],"port":99999})"})
      co_await publish("router.register", bad);
    co_await publish("router.something", "else");
    co_await register_app(app, "app");
    auto response = co_await get("app");
    EXPECT_EQ(response.status, 200);
  });
}

TEST_F(GorouterHarness, PrunesWhatIsNotRegisteredAgainUnlessTheBusIsDisconnected) {
  for (const bool suspend : {false, true}) {
    config_.suspend_pruning_if_nats_unavailable = suspend;
    config_.prune_interval = 50ms;
    config_.registry.stale_threshold = 300ms;
    with_router([&]() -> asio::awaitable<void> {
      TestApp app(executor_, "a");
      co_await register_app(app, "app");
      EXPECT_NE(router_->plane().registry.lookup("app", "/"), nullptr);
      if (suspend) {
        nats_.stop();
        co_await base::sleep_for(1s);
        EXPECT_NE(router_->plane().registry.lookup("app", "/"), nullptr);
        nats_.start();
      }
      co_await until([&] { return router_->plane().registry.lookup("app", "/") == nullptr; });
    });
  }
}

TEST_F(GorouterHarness, LimitsOpenRequestsOfAnEndpoint) {
  config_.max_conns = 1;
  with_router([&]() -> asio::awaitable<void> {
    bool asked = false, may_finish = false;
    TestApp app(executor_, "a", [&](net::HttpExchange& exchange) -> asio::awaitable<void> {
      asked = true;
      while (!may_finish) co_await base::sleep_for(1ms);
      auto response = net::text_response(200, "done");
      co_await exchange.respond(std::move(response));
    });
    co_await register_app(app, "app");
    auto first = co_await connect();
    co_await first->write("GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n");
    co_await until([&] { return asked; });
    auto second = co_await get("app");
    EXPECT_EQ(second.status, 503);
    EXPECT_EQ(second.headers.get("X-Cf-RouterError"), "Connection Limit Reached");
    may_finish = true;
    co_await read_to_end(*first);
    auto third = co_await get("app");
    EXPECT_EQ(third.status, 200);
  });
}

TEST_F(GorouterHarness, DrainsByFinishingWhatRuns) {
  with_router([&]() -> asio::awaitable<void> {
    bool asked = false, may_finish = false;
    TestApp app(executor_, "a", [&](net::HttpExchange& exchange) -> asio::awaitable<void> {
      asked = true;
      while (!may_finish) co_await base::sleep_for(1ms);
      auto response = net::text_response(200, "finished");
      co_await exchange.respond(std::move(response));
    });
    co_await register_app(app, "app");
    auto idle = co_await connect();
    auto busy = co_await connect();
    co_await busy->write("GET / HTTP/1.1\r\nHost: app\r\n\r\n");
    co_await until([&] { return asked; });
    router_->begin_drain();
    router_->begin_drain();
    const std::string nothing = co_await read_to_end(*idle);
    EXPECT_EQ(nothing, "");
    bool refused = false;
    try {
      auto late = co_await connect();
    } catch (const net::TransportError&) {
      refused = true;
    }
    EXPECT_TRUE(refused);
    EXPECT_EQ(exit_status_, -1);
    may_finish = true;
    const std::string answer = co_await read_to_end(*busy);
    EXPECT_TRUE(answer.ends_with("finished")) << answer;
    EXPECT_TRUE(has(answer, "Connection: close\r\n"));
    co_await until([&] { return exit_status_ == 0; });
  });
}

TEST_F(GorouterHarness, EndsADrainThatTakesTooLong) {
  config_.drain_timeout = 200ms;
  with_router([&]() -> asio::awaitable<void> {
    bool asked = false;
    TestApp app(executor_, "a", [&](net::HttpExchange& exchange) -> asio::awaitable<void> {
      asked = true;
      co_await exchange.client_gone();
    });
    co_await register_app(app, "app");
    auto busy = co_await connect();
    co_await busy->write("GET / HTTP/1.1\r\nHost: app\r\n\r\n");
    co_await until([&] { return asked; });
    router_->begin_drain();
    co_await until([&] { return exit_status_ == 0; });
    co_await router_->stop();
    const std::string answer = co_await read_to_end(*busy);
    EXPECT_EQ(answer, "");
  });
}

TEST_F(GorouterHarness, ServesStatusDocumentsBehindAPassword) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    co_await register_app(app, "b.example.com");
    co_await register_app(app, "a.example.com/path");
    const auto ask = [&](const std::string& address, std::string path,
                         std::string password) -> asio::awaitable<net::HttpResponse> {
      net::HttpRequest request;
      request.method = "GET";
      request.target = std::move(path);
      if (!password.empty()) request.headers.set("Authorization", "Basic " + base::to_base64("user:" + password));
      auto endpoint = net::Endpoint::parse("http://" + address);
      auto response = co_await client_->send(std::move(endpoint), std::move(request));
      co_return response;
    };
    const std::string health = router_->health_address(), routes = router_->routes_address();
    auto response = co_await ask(health, "/health", "");
    EXPECT_EQ(response.body, "ok\n");
    EXPECT_EQ(response.headers.get("Cache-Control"), "private, max-age=0");
    response = co_await ask(routes, "/routes", "wrong");
    EXPECT_EQ(response.status, 401);
    EXPECT_EQ(response.headers.get("WWW-Authenticate"), "Basic");
    response = co_await ask(routes, "/routes", "pass:word");
    EXPECT_EQ(response.status, 200);
    const auto document = boost::json::parse(response.body).as_object();
    EXPECT_EQ(document.size(), 2u);
    EXPECT_EQ(document.begin()->key(), "a.example.com/path");
    EXPECT_EQ(document.at("b.example.com").as_array().at(0).as_object().at("address").as_string(), app.address());
    response = co_await ask(routes, "/varz", "pass:word");
    EXPECT_EQ(boost::json::parse(response.body).at("type").as_string(), "Router");
    router_->begin_drain();
    response = co_await ask(health, "/health", "");
    EXPECT_EQ(response.status, 503);
  });
}

TEST_F(GorouterHarness, WritesALineForEachRequest) {
  config_.access_log_file = (directory_.path() / "access.log").string();
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    co_await register_app(app, "app");
    net::Headers headers{{"User-Agent", "say \"hi\""}, {"Referer", "there"}};
    co_await get_with("app", "/path?q=1", headers);
    co_await get("none", "/x");
    co_await router_->stop();
    const std::string log = base::read_file(config_.access_log_file);
    EXPECT_TRUE(has(log, "] \"GET /path?q=1 HTTP/1.1\" 200 0 ")) << log;
    EXPECT_TRUE(has(log, "\"there\" \"say \\\"hi\\\"\" \"127.0.0.1:"));
    EXPECT_TRUE(has(
        log, "\"" + app.address() + "\" x_forwarded_for:\"127.0.0.1\" x_forwarded_proto:\"http\" vcap_request_id:\""));
    EXPECT_TRUE(has(log, "app_id:\"app-guid\" app_index:\"0\" instance_id:\"instance-"));
    EXPECT_TRUE(has(log, "none - ["));
    EXPECT_TRUE(has(log, " gorouter_time:0.000000 app_id:\"-\""));
    EXPECT_TRUE(log.ends_with("x_cf_routererror:\"unknown_route\"\n")) << log;
  });
}

TEST_F(GorouterHarness, EndsWhenThereIsNoBus) {
  nats_.stop();
  asio::io_context io;
  base::WorkerPool workers(1);
  int status = -1;
  Gorouter router(io.get_executor(), workers, config_, base::Logger::discard(), [&](int s) {
    status = s;
    io.stop();
  });
  router.start();
  io.run_for(20s);
  EXPECT_EQ(status, 1);
}

}  // namespace
}  // namespace rivera::gorouter
