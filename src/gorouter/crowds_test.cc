// Many clients at once: the router keeps serving, within its descriptors and its memory.
#include <sys/resource.h>

#include "base/work/wait.h"
#include "gorouter/testing/gorouter_harness.h"
#include "gorouter/testing/raw_backend.h"

namespace rivera::gorouter {
namespace {

// While it lives, the process may have fewer descriptors.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t most) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit few{most, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_F(GorouterHarness, ServesWhileIdleConnectionsCrowdIt) {
  auto few = std::make_unique<FewDescriptors>(400);  // of which clients get 90
  with_router([&]() -> asio::awaitable<void> {
    few.reset();  // the router keeps to what it found; the clients of this test have descriptors enough
    TestApp app(executor_, "a");
    co_await register_app(app, "app");
    std::vector<std::unique_ptr<net::Stream>> idle;
    for (int i = 0; i < 300; ++i) {
      auto stream = co_await connect();
      idle.push_back(std::move(stream));
    }
    auto served = co_await get("app");
    EXPECT_EQ(served.status, 200);
    co_await until([&] { return router_->plane().probe.client_connections <= 90; });
    auto endpoint = net::Endpoint::parse("http://" + router_->health_address());
    net::HttpRequest request;
    request.method = "GET";
    request.target = "/health";
    auto health = co_await client_->send(std::move(endpoint), std::move(request));
    EXPECT_EQ(health.status, 200);
  });
}

TEST_F(GorouterHarness, BoundsTheMemoryOfUnfinishedHeads) {
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    co_await register_app(app, "app");
    const std::string half = "GET / HTTP/1.1\r\nHost: app\r\nX-Large: " + std::string(900'000, 'x');
    const auto& heads = *router_->plane().heads;
    std::vector<std::unique_ptr<net::Stream>> clients;
    for (int i = 0; i < 80; ++i) {
      auto stream = co_await connect();
      try {
        co_await stream->write(half);
      } catch (const boost::system::system_error&) {  // refused before the end
      }
      EXPECT_LE(heads.used(), net::HeadBudget::kDefault);
      clients.push_back(std::move(stream));
    }
    co_await until([&] { return router_->plane().probe.client_connections < 50; });
    auto small = co_await get("app");
    EXPECT_EQ(small.status, 200);
    net::Headers usual{{"X", std::string(30'000, 'x')}};
    auto with_cookies = co_await get_with("app", "/", std::move(usual));
    EXPECT_EQ(with_cookies.status, 200);
    clients.clear();
    co_await until([&] { return heads.used() == 0; });
  });
}

TEST_F(GorouterHarness, BoundsTheMemoryOfUnfinishedResponseHeads) {
  with_router([&]() -> asio::awaitable<void> {
    RawBackend backend(executor_);
    routing::RegistryMessage message;
    message.host = "127.0.0.1";
    message.port = backend.port();
    message.uris.push_back("app");
    std::string payload = to_json(message);
    co_await publish("router.register", std::move(payload));
    const std::string half = "HTTP/1.1 200 OK\r\nX-Large: " + std::string(900'000, 'x');
    const auto& heads = router_->plane().backends.heads();
    std::vector<std::unique_ptr<net::Stream>> clients, backends;
    for (int i = 0; i < 60; ++i) {
      auto client = co_await connect();
      co_await client->write("GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n");
      auto far = co_await backend.accept();
      try {
        co_await far->write(half);
      } catch (const boost::system::system_error&) {  // refused before the end
      }
      EXPECT_LE(heads.used(), net::HeadBudget::kDefault);
      clients.push_back(std::move(client));
      backends.push_back(std::move(far));
    }
    const std::string last = co_await read_to_end(*clients.back());
    EXPECT_TRUE(last.starts_with("HTTP/1.1 502 Bad Gateway\r\n")) << last;
    backends.clear();
    co_await until([&] { return heads.used() == 0; });
  });
}

}  // namespace
}  // namespace rivera::gorouter
