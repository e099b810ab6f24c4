#include "sql/testing/test_relay.h"

#include <array>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

namespace rivera::sql {

using asio::ip::tcp;
using Local = asio::local::stream_protocol;

struct TestRelay::Link {
  Link(tcp::socket from, asio::io_context& io) : client(std::move(from)), server(io) {}
  void cut() {
    error_code ignored;
    client.close(ignored);
    server.close(ignored);
    is_cut = true;
  }
  tcp::socket client;
  Local::socket server;
  bool swallows_answer = false;
  bool is_cut = false;
};

struct TestRelay::Listener {
  explicit Listener(asio::io_context& io) : acceptor(io, {asio::ip::make_address("127.0.0.1"), 0}) {}
  tcp::acceptor acceptor;
};

TestRelay::TestRelay(const TestServer& server)
    : server_(server.config()), socket_(server.socket_path()), listener_(std::make_unique<Listener>(io_)) {
  asio::co_spawn(io_, accept(), asio::detached);
  thread_ = std::thread([this] { io_.run(); });
}

TestRelay::~TestRelay() {
  io_.stop();
  thread_.join();
}

DatabaseConfig TestRelay::config() const {
  DatabaseConfig config = server_;
  const auto port = listener_->acceptor.local_endpoint().port();
  config.connection_string = config.engine == Engine::kPostgres
                                 ? fmt::format("host=127.0.0.1 port={} user=postgres dbname=rivera", port)
                                 : fmt::format("root@tcp(127.0.0.1:{})/rivera", port);
  return config;
}

void TestRelay::at_home(std::function<void()> work) {
  std::promise<void> done;
  asio::post(io_, [&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

void TestRelay::cut_at_next_commit(Moment moment) {
  at_home([this, moment] { armed_ = moment; });
}

void TestRelay::cut_all() {
  at_home([this] {
    for (const auto& link : links_) {
      if (const auto open = link.lock()) open->cut();
    }
    links_.clear();
  });
}

void TestRelay::hang() {
  at_home([this] { hanging_ = true; });
}

void TestRelay::forward() {
  at_home([this] {
    hanging_ = false;
    released_.notify_all();
  });
}

int TestRelay::cuts() {
  int count = 0;
  at_home([&] { count = cuts_; });
  return count;
}

asio::awaitable<void> TestRelay::accept() {
  for (;;) {
    tcp::socket client = co_await listener_->acceptor.async_accept(asio::use_awaitable);
    auto link = std::make_shared<Link>(std::move(client), io_);
    links_.push_back(link);
    error_code failed;
    link->server.connect(Local::endpoint(socket_), failed);
    if (failed) {
      link->cut();
      continue;
    }
    asio::co_spawn(io_, to_server(link), asio::detached);
    asio::co_spawn(io_, to_client(link), asio::detached);
  }
}

asio::awaitable<void> TestRelay::wait_while_hanging(const Link& link) {
  while (hanging_ && !link.is_cut) co_await released_.wait();
}

asio::awaitable<void> TestRelay::to_server(std::shared_ptr<Link> link) {
  std::array<char, 65536> buffer;
  try {
    for (;;) {
      const std::size_t size = co_await link->client.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      co_await wait_while_hanging(*link);
      const bool commits = std::string_view(buffer.data(), size).find("COMMIT") != std::string_view::npos;
      if (commits && armed_) {
        ++cuts_;
        const Moment moment = *armed_;
        armed_.reset();
        if (moment == Moment::kBeforeCommit) break;
        link->swallows_answer = true;
      }
      co_await asio::async_write(link->server, asio::buffer(buffer, size), asio::use_awaitable);
    }
  } catch (const boost::system::system_error&) {
    // One side is gone: so is the other.
  }
  link->cut();
}

asio::awaitable<void> TestRelay::to_client(std::shared_ptr<Link> link) {
  std::array<char, 65536> buffer;
  try {
    for (;;) {
      const std::size_t size = co_await link->server.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      co_await wait_while_hanging(*link);
      if (link->swallows_answer) break;
      co_await asio::async_write(link->client, asio::buffer(buffer, size), asio::use_awaitable);
    }
  } catch (const boost::system::system_error&) {
    // As above.
  }
  link->cut();
}

}  // namespace rivera::sql
