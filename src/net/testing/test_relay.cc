#include "net/testing/test_relay.h"

#include <array>
#include <future>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "base/asio.h"
#include "base/work/wait.h"

namespace rivera::net {
namespace {

using asio::ip::tcp;

tcp::endpoint relay_endpoint(const std::string& address) {
  const auto colon = address.rfind(':');
  return {asio::ip::make_address(address.substr(0, colon)),
          static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1)))};
}

// A gate that bytes of one direction pass.
struct RelayGate {
  explicit RelayGate(asio::any_io_executor executor) : changed(executor) {}
  bool open = true;
  base::Condition changed;
};

struct RelaySession {
  explicit RelaySession(tcp::socket accepted) : client(std::move(accepted)), server(client.get_executor()) {}
  tcp::socket client;
  tcp::socket server;
  bool frozen = false;

  void close() {
    error_code ignored;
    client.close(ignored);
    server.close(ignored);
  }
};

asio::awaitable<void> relay_bytes(std::shared_ptr<RelaySession> session, tcp::socket& from, tcp::socket& to,
                                  RelayGate& gate) {
  std::array<char, 16384> buffer;
  try {
    for (;;) {
      const std::size_t count = co_await from.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      while (!gate.open || session->frozen) co_await gate.changed.wait();
      co_await asio::async_write(to, asio::buffer(buffer.data(), count), asio::use_awaitable);
    }
  } catch (const boost::system::system_error&) {
    session->close();  // one direction has ended: so has the connection
  }
}

}  // namespace

struct TestRelay::State {
  explicit State(const std::string& first)
      : target(relay_endpoint(first)), acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    asio::co_spawn(io, accept(), asio::detached);
    thread = std::thread([this] { io.run(); });
  }
  ~State() {
    io.stop();
    thread.join();
  }

  asio::awaitable<void> accept() {
    for (;;) {
      tcp::socket client = co_await acceptor.async_accept(asio::use_awaitable);
      auto session = std::make_shared<RelaySession>(std::move(client));
      sessions.push_back(session);
      asio::co_spawn(io, relay(session), asio::detached);
    }
  }

  asio::awaitable<void> relay(std::shared_ptr<RelaySession> session) {
    error_code failed;
    co_await session->server.async_connect(target, asio::redirect_error(asio::use_awaitable, failed));
    if (failed) {
      session->close();
      co_return;
    }
    asio::co_spawn(io, relay_bytes(session, session->client, session->server, requests), asio::detached);
    asio::co_spawn(io, relay_bytes(session, session->server, session->client, answers), asio::detached);
  }

  // Runs `change` on the relay's thread, to its end.
  template <typename Change>
  void apply(Change change) {
    std::promise<void> done;
    asio::post(io, [&] {
      change();
      done.set_value();
    });
    done.get_future().get();
  }

  asio::io_context io;
  tcp::endpoint target;
  tcp::acceptor acceptor;
  RelayGate requests{io.get_executor()};
  RelayGate answers{io.get_executor()};
  std::vector<std::shared_ptr<RelaySession>> sessions;
  std::thread thread;
};

TestRelay::TestRelay(const std::string& target) : state_(std::make_unique<State>(target)) {}
TestRelay::~TestRelay() = default;

std::string TestRelay::address() const {
  return "127.0.0.1:" + std::to_string(state_->acceptor.local_endpoint().port());
}

void TestRelay::redirect(const std::string& target) {
  state_->apply([&] { state_->target = relay_endpoint(target); });
}

void TestRelay::hold_answers() {
  state_->apply([this] { state_->answers.open = false; });
}

void TestRelay::hold_requests() {
  state_->apply([this] { state_->requests.open = false; });
}

void TestRelay::release() {
  state_->apply([this] {
    for (RelayGate* gate : {&state_->requests, &state_->answers}) {
      gate->open = true;
      gate->changed.notify_all();
    }
  });
}

void TestRelay::freeze() {
  state_->apply([this] {
    for (const auto& session : state_->sessions) session->frozen = true;
  });
}

void TestRelay::cut() {
  state_->apply([this] {
    for (const auto& session : state_->sessions) session->close();
    state_->sessions.clear();
  });
}

}  // namespace rivera::net
