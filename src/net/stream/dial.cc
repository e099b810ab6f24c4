#include "net/stream/dial.h"

#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "net/stream/connect_tcp.h"
#include "net/stream/stream_factory.h"

namespace rivera::net {
namespace {

// `into` outlives the call: the caller waits for it whatever happens.
asio::awaitable<void> connect_into(std::optional<TcpSocket>& into, std::string host, std::uint16_t port,
                                   std::chrono::nanoseconds limit) {
  into = co_await connect_tcp(std::move(host), port, limit);
}

}  // namespace

asio::awaitable<std::unique_ptr<Stream>> dial(DialTarget target) {
  using Stage = DialError::Stage;
  Stage stage = Stage::kConnect;
  try {
    std::optional<TcpSocket> socket;
    auto connecting = connect_into(socket, target.host, target.port, target.connect_timeout);
    co_await base::within(target.connect_timeout, "connecting", std::move(connecting));
    if (!target.tls) co_return make_stream(std::move(*socket));
    stage = Stage::kHandshake;
    std::string name = target.server_name.empty() ? target.host : target.server_name;
    auto stream = co_await connect_tls(std::move(*socket), *target.tls, std::move(name), target.handshake_timeout);
    co_return stream;
  } catch (const base::DeadlineExceeded& e) {
    throw DialError(e.what(), stage, {}, true, TlsFailure::kOther);
  } catch (const TlsHandshakeError& e) {
    throw DialError(e.what(), stage, e.code(), false, e.failure);
  } catch (const boost::system::system_error& e) {
    if (base::is_cancellation(e)) throw;
    throw DialError(e.what(), stage, e.code(), e.code() == asio::error::timed_out, TlsFailure::kOther);
  }
}

}  // namespace rivera::net
