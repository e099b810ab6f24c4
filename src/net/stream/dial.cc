#include "net/stream/dial.h"

#include "base/work/cancellation.h"
#include "net/stream/connect_first.h"

namespace rivera::net {
namespace {

using Stage = DialError::Stage;
using StreamPtr = std::unique_ptr<Stream>;

[[noreturn]] void fail(const boost::system::system_error& e, Stage stage) {
  if (base::is_cancellation(e)) throw e;
  throw DialError(e.what(), stage, e.code(), e.code() == asio::error::timed_out, TlsFailure::kOther);
}

// Throws DialError of the handshake.
asio::awaitable<StreamPtr> begin_stream_to(TcpSocket socket, std::optional<TlsContext> tls, std::string name,
                                           std::chrono::nanoseconds limit) {
  if (!tls) co_return make_stream(std::move(socket));
  try {
    auto stream = co_await connect_tls(std::move(socket), *tls, std::move(name), limit);
    co_return stream;
  } catch (const TlsHandshakeError& e) {
    throw DialError(e.what(), Stage::kHandshake, e.code(), false, e.failure);
  } catch (const boost::system::system_error& e) {
    fail(e, Stage::kHandshake);
  }
}

}  // namespace

asio::awaitable<StreamPtr> dial(DialTarget target) {
  const std::string name = target.server_name.empty() ? target.host : target.server_name;
  PrepareSocket<StreamPtr> prepare = [tls = target.tls, name, limit = target.handshake_timeout](TcpSocket socket) {
    return begin_stream_to(std::move(socket), tls, name, limit);
  };
  try {
    auto stream = co_await connect_first<StreamPtr>(target.host, target.port, target.connect_timeout, prepare,
                                                    target.destinations);
    co_return stream;
  } catch (const boost::system::system_error& e) {
    fail(e, Stage::kConnect);
  }
}

}  // namespace rivera::net
