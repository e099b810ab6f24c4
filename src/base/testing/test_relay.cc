#include "base/testing/test_relay.h"

#include <array>
#include <future>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "base/asio.h"
#include "base/work/wait.h"

namespace rivera::base {
namespace {

using asio::ip::tcp;
using Stream = asio::generic::stream_protocol;

Stream::endpoint relay_endpoint(const std::string& address) {
  if (address.starts_with("unix:")) return asio::local::stream_protocol::endpoint(address.substr(5));
  const auto colon = address.rfind(':');
  return tcp::endpoint(asio::ip::make_address(address.substr(0, colon)),
                       static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
}

struct RelaySession {
  explicit RelaySession(tcp::socket accepted) : client(std::move(accepted)), server(client.get_executor()) {}
  Stream::socket client;
  Stream::socket server;
  bool is_frozen = false;
  bool loses_answer = false;
  bool is_closed = false;

  void close() {
    error_code ignored;
    client.close(ignored);
    server.close(ignored);
    is_closed = true;
  }
};

// A gate that bytes of one direction pass.
struct RelayGate {
  explicit RelayGate(asio::any_io_executor executor) : changed(executor) {}
  bool is_open = true;
  Condition changed;

  asio::awaitable<void> pass(const RelaySession& session) {
    while ((!is_open || session.is_frozen) && !session.is_closed) co_await changed.wait();
  }
};

}  // namespace

struct TestRelay::State {
  using Session = std::shared_ptr<RelaySession>;

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

  asio::awaitable<void> relay(Session session) {
    error_code failed;
    co_await session->server.async_connect(target, asio::redirect_error(asio::use_awaitable, failed));
    if (failed) {
      session->close();
      co_return;
    }
    asio::co_spawn(io, relay_requests(session), asio::detached);
    asio::co_spawn(io, relay_answers(session), asio::detached);
  }

  // One direction has ended: so has the connection.
  asio::awaitable<void> relay_requests(Session session) {
    std::array<char, 65536> buffer{};
    try {
      for (;;) {
        const auto size = co_await session->client.async_read_some(asio::buffer(buffer), asio::use_awaitable);
        co_await requests.pass(*session);
        const Fate fate = judge ? judge(std::string_view(buffer.data(), size)) : Fate::kPass;
        if (fate == Fate::kCutBefore) break;
        if (fate == Fate::kCutAtAnswer) session->loses_answer = true;
        co_await asio::async_write(session->server, asio::buffer(buffer.data(), size), asio::use_awaitable);
      }
    } catch (const boost::system::system_error&) {
    }
    session->close();
  }

  asio::awaitable<void> relay_answers(Session session) {
    std::array<char, 65536> buffer{};
    try {
      for (;;) {
        const auto size = co_await session->server.async_read_some(asio::buffer(buffer), asio::use_awaitable);
        co_await answers.pass(*session);
        if (session->loses_answer) break;
        co_await asio::async_write(session->client, asio::buffer(buffer.data(), size), asio::use_awaitable);
      }
    } catch (const boost::system::system_error&) {
    }
    session->close();
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
  Stream::endpoint target;
  tcp::acceptor acceptor;
  RelayGate requests{io.get_executor()};
  RelayGate answers{io.get_executor()};
  std::function<Fate(std::string_view)> judge;
  std::vector<Session> sessions;
  std::thread thread;
};

TestRelay::TestRelay(const std::string& target) : state_(std::make_unique<State>(target)) {}
TestRelay::~TestRelay() = default;

std::uint16_t TestRelay::port() const { return state_->acceptor.local_endpoint().port(); }
std::string TestRelay::address() const { return "127.0.0.1:" + std::to_string(port()); }

void TestRelay::redirect(const std::string& target) {
  state_->apply([&] { state_->target = relay_endpoint(target); });
}

void TestRelay::hold_answers() {
  state_->apply([this] { state_->answers.is_open = false; });
}

void TestRelay::hold_requests() {
  state_->apply([this] { state_->requests.is_open = false; });
}

void TestRelay::release() {
  state_->apply([this] {
    for (RelayGate* gate : {&state_->requests, &state_->answers}) {
      gate->is_open = true;
      gate->changed.notify_all();
    }
  });
}

void TestRelay::freeze() {
  state_->apply([this] {
    for (const auto& session : state_->sessions) session->is_frozen = true;
  });
}

void TestRelay::cut() {
  state_->apply([this] {
    for (const auto& session : state_->sessions) session->close();
    state_->sessions.clear();
    state_->requests.changed.notify_all();
    state_->answers.changed.notify_all();
  });
}

void TestRelay::judge_requests(std::function<Fate(std::string_view)> judge) {
  state_->apply([&] { state_->judge = std::move(judge); });
}

}  // namespace rivera::base
