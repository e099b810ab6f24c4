#include "net/http/connection_pool.h"

#include <csignal>

#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "base/work/wait.h"

namespace rivera::net {
namespace {

using namespace std::chrono_literals;

// Connections to servers of its own, each a listening socket on a free port.
class PooledServers {
 public:
  explicit PooledServers(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  // A connection to a new server that has served a request.
  asio::awaitable<std::unique_ptr<ClientConnection>> connect_to_new(Endpoint& endpoint) {
    asio::ip::tcp::acceptor acceptor(executor_, {asio::ip::address_v4::loopback(), 0});
    endpoint = Endpoint::parse("http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()));
    auto connection = std::make_unique<ClientConnection>();
    connection->stream = co_await connect(endpoint, std::nullopt, 10s);
    connection->may_be_reused = true;
    auto far = co_await acceptor.async_accept(asio::use_awaitable);
    far_.push_back(std::move(far));
    co_return connection;
  }
  void close(std::size_t server) { far_.at(server).close(); }
  std::size_t count() const { return far_.size(); }

 private:
  asio::any_io_executor executor_;
  std::vector<asio::ip::tcp::socket> far_;
};

// Waits, as its owner does nothing.
asio::awaitable<void> expect_to_hold(std::shared_ptr<ConnectionPool> pool, std::size_t endpoints) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (pool->endpoints() != endpoints && std::chrono::steady_clock::now() < deadline) co_await base::sleep_for(5ms);
  EXPECT_EQ(pool->endpoints(), endpoints);
  EXPECT_EQ(pool->size(), endpoints);
}

TEST(ConnectionPool, HoldsNothingOfEndpointsThatAreNoLongerUsed) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto pool = std::make_shared<ConnectionPool>(executor, ConnectionPool::Limits{300ms, 4, 100});
    PooledServers servers(executor);
    for (int i = 0; i < 20; ++i) {
      Endpoint endpoint;
      auto connection = co_await servers.connect_to_new(endpoint);
      pool->give_back(endpoint, std::move(connection));
    }
    EXPECT_EQ(pool->endpoints(), 20u);
    co_await expect_to_hold(pool, 0);
    pool->close();
  });
}

TEST(ConnectionPool, ClosesWhatItsServersHaveClosed) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto pool = std::make_shared<ConnectionPool>(executor, ConnectionPool::Limits{20s, 4, 4});
    PooledServers servers(executor);
    Endpoint endpoint;
    for (int i = 0; i < 4; ++i) {
      auto connection = co_await servers.connect_to_new(endpoint);
      pool->give_back(endpoint, std::move(connection));
    }
    EXPECT_EQ(pool->endpoints(), 4u);
    for (std::size_t i = 0; i < servers.count(); ++i) servers.close(i);
    // It is full of what is of no use: another one has room at once.
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (pool->endpoints() != 1 && std::chrono::steady_clock::now() < deadline) {
      auto fresh = co_await servers.connect_to_new(endpoint);
      pool->give_back(endpoint, std::move(fresh));
    }
    co_await expect_to_hold(pool, 1);
    EXPECT_NE(pool->take(endpoint), nullptr);
    pool->close();
  });
}

TEST(ConnectionPool, DropsAllOfOneEndpoint) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto pool = std::make_shared<ConnectionPool>(executor, ConnectionPool::Limits{20s, 4, 100});
    PooledServers servers(executor);
    Endpoint one, other;
    auto connection = co_await servers.connect_to_new(one);
    pool->give_back(one, std::move(connection));
    connection = co_await servers.connect_to_new(other);
    pool->give_back(other, std::move(connection));
    pool->drop(one);
    EXPECT_EQ(pool->size(), 1u);
    EXPECT_EQ(pool->take(one), nullptr);
    EXPECT_NE(pool->take(other), nullptr);
    pool->close();
  });
}

void give_nothing_back() {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto pool = std::make_shared<ConnectionPool>(executor, ConnectionPool::Limits{20s, 4, 4});
    pool->give_back(Endpoint::parse("http://127.0.0.1:1"), nullptr);  // as what was given back before
    co_return;
  });
}

TEST(ConnectionPoolDeathTest, TakesAConnectionBackOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(give_nothing_back(), testing::KilledBySignal(SIGABRT), "a connection is given back once");
}

}  // namespace
}  // namespace rivera::net
