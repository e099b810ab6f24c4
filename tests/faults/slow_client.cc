#include "faults/slow_client.h"

#include <memory>
#include <vector>

#include "base/units.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"

namespace rivera::harness {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kKeptOfAnswer = 64 * base::kKibibyte;
constexpr std::chrono::seconds kConnectLimit{10};

struct Connection {
  std::unique_ptr<net::Stream> stream;
  Trickle client;
  TrickleResult result;
  bool is_sending = true;
};

// The stream's deadline has passed: the client leaves, and the server has not ended the connection.
bool is_patience(const boost::system::system_error& e) { return e.code() == asio::error::timed_out; }

asio::awaitable<void> send(std::shared_ptr<Connection> connection) {
  Connection& c = *connection;
  try {
    if (!c.client.begin.empty()) co_await c.stream->write(c.client.begin);
    while (!c.client.piece.empty() && c.result.sent < c.client.most) {
      if (c.client.pause.count() > 0) co_await base::sleep_for(c.client.pause);
      co_await c.stream->write(c.client.piece);
      c.result.sent += c.client.piece.size();
    }
  } catch (const boost::system::system_error& e) {
    if (base::is_cancellation(e)) throw;
    if (!c.client.reads && !is_patience(e)) c.result.was_cut = true;
  }
  c.is_sending = false;
}

asio::awaitable<void> read_to_the_end(Connection& c) {
  std::vector<char> buffer(kKeptOfAnswer);
  try {
    for (;;) {
      const std::size_t n = co_await c.stream->read_some(buffer);
      if (n == 0) break;
      c.result.answer.append(buffer.data(), std::min(n, kKeptOfAnswer - c.result.answer.size()));
    }
    c.result.was_cut = true;
  } catch (const boost::system::system_error& e) {
    if (base::is_cancellation(e)) throw;
    c.result.was_cut = !is_patience(e);
  }
}

}  // namespace

asio::awaitable<TrickleResult> trickle(net::Endpoint server, std::optional<net::TlsContext> tls, Trickle client) {
  const auto executor = co_await asio::this_coro::executor;
  const auto connection = std::make_shared<Connection>();
  connection->client = std::move(client);
  try {
    connection->stream = co_await net::connect(std::move(server), std::move(tls), kConnectLimit);
  } catch (const net::TransportError& e) {
    connection->result.failure = e.what();
  }
  if (!connection->stream) co_return std::move(connection->result);
  const auto begun = steady_clock::now();
  const auto end = begun + connection->client.patience;
  connection->stream->set_deadline(end);
  base::TaskGroup sender(executor, base::Logger::discard());
  sender.spawn("send", send(connection));
  if (connection->client.reads) {
    co_await read_to_the_end(*connection);
  } else {
    while (connection->is_sending && steady_clock::now() < end) co_await base::sleep_for(milliseconds(20));
  }
  connection->result.lasted = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begun);
  co_await sender.stop();
  co_return std::move(connection->result);
}

}  // namespace rivera::harness
