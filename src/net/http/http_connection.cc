#include "net/http/http_connection.h"

#include <boost/asio/dispatch.hpp>
#include <fmt/format.h>

#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "net/http/http_parsing.h"

namespace rivera::net {
namespace {

// What a request's body may still hold when its handler has answered: read and thrown away to keep the connection.
constexpr std::size_t kDrainLimit = 256 * 1024;

bool bodyless(int status) { return status == 204 || status == 304 || (status >= 100 && status < 200); }

asio::awaitable<std::unique_ptr<Stream>> open_stream(AcceptedSocket socket, const HttpServerOptions& options) {
  if (auto* local = std::get_if<UnixSocket>(&socket)) co_return make_stream(std::move(*local));
  auto& tcp = std::get<TcpSocket>(socket);
  if (!options.tls) co_return make_stream(std::move(tcp));
  auto stream = co_await accept_tls(std::move(tcp), *options.tls, options.handshake_timeout);
  co_return stream;
}

}  // namespace

class ConnectionExchange final : public HttpExchange {
 public:
  ConnectionExchange(HttpConnection& connection, RequestHead head) : connection_(connection), head_(std::move(head)) {}

  const RequestHead& request() const override { return head_; }
  const Stream& stream() const override { return *connection_.stream_; }
  bool response_begun() const override { return begun_; }
  bool taken_over() const { return taken_over_; }
  bool complete() const { return complete_; }
  bool must_close() const { return must_close_; }

  asio::awaitable<std::string> read_body(std::size_t limit) override {
    std::string body;
    const auto announced = head_.headers.get("Content-Length");
    if (!announced.empty()) {
      const auto length = std::strtoull(std::string(announced).c_str(), nullptr, 10);
      if (length > limit) too_large(limit);
      body.reserve(std::min<std::size_t>(length, 1u << 20));
    }
    char buffer[16 * 1024];
    for (;;) {
      const std::size_t n = co_await read_some_body(buffer);
      if (n == 0) co_return body;
      if (body.size() + n > limit) too_large(limit);
      body.append(buffer, n);
    }
  }

  asio::awaitable<std::size_t> read_some_body(std::span<char> into) override {
    if (!continue_sent_ && !connection_.reader_->body_complete()) {
      continue_sent_ = true;
      if (head_.headers.has_token("Expect", "100-continue")) {
        co_await connection_.stream_->write("HTTP/1.1 100 Continue\r\n\r\n");
      }
    }
    connection_.stream_->set_timeout(connection_.settings_->options.body_timeout);
    const std::size_t n = co_await connection_.reader_->read_some_body(*connection_.stream_, into);
    co_return n;
  }

  asio::awaitable<void> respond(HttpResponse response) override {
    check_not_begun();
    begun_ = true;
    if (!bodyless(response.status)) response.headers.set("Content-Length", std::to_string(response.body.size()));
    note_connection(response);
    std::string bytes = format_head(response);
    const bool send_body = head_.method != "HEAD" && !bodyless(response.status);
    arm_writes();
    if (send_body && response.body.size() <= 64 * 1024) {
      bytes += response.body;
      co_await connection_.stream_->write(bytes);
    } else {
      co_await connection_.stream_->write(bytes);
      if (send_body) co_await connection_.stream_->write(response.body);
    }
    complete_ = true;
  }

  asio::awaitable<void> begin_response(ResponseHead head) override {
    check_not_begun();
    begun_ = true;
    no_body_ = head_.method == "HEAD" || bodyless(head.status);
    chunked_ = !no_body_ && !head.headers.has("Content-Length") && head_.version >= 11;
    if (chunked_) head.headers.set("Transfer-Encoding", "chunked");
    if (!chunked_ && !no_body_ && !head.headers.has("Content-Length")) must_close_ = true;
    note_connection(head);
    arm_writes();
    const std::string bytes = format_head(head);
    co_await connection_.stream_->write(bytes);
  }

  asio::awaitable<void> write_body(std::string_view piece) override {
    if (piece.empty() || no_body_) co_return;
    arm_writes();
    if (!chunked_) {
      co_await connection_.stream_->write(piece);
      co_return;
    }
    std::string bytes = chunk_head(piece.size());
    bytes.reserve(bytes.size() + piece.size() + 2);
    bytes += piece;
    bytes += "\r\n";
    co_await connection_.stream_->write(bytes);
  }

  asio::awaitable<void> end_response() override {
    if (chunked_) {
      arm_writes();
      co_await connection_.stream_->write("0\r\n\r\n");
    }
    complete_ = true;
  }

  asio::awaitable<void> client_gone() override {
    connection_.stream_->set_timeout(std::chrono::nanoseconds(0));
    try {
      for (;;) {
        const bool more = co_await connection_.reader_->read_ahead(*connection_.stream_);
        if (!more) co_return;
      }
    } catch (const boost::system::system_error& e) {
      if (base::is_cancellation(e)) throw;
    }
  }

  asio::awaitable<std::unique_ptr<Stream>> take_over(ResponseHead head) override {
    check_not_begun();
    begun_ = true;
    taken_over_ = true;
    const std::string bytes = format_head(head);
    arm_writes();
    co_await connection_.stream_->write(bytes);
    connection_.stream_->set_timeout(std::chrono::nanoseconds(0));
    co_return with_read_ahead(std::move(connection_.stream_), connection_.reader_->take_read_ahead());
  }

 private:
  [[noreturn]] static void too_large(std::size_t limit) {
    throw BodyTooLarge(fmt::format("the request body is larger than {} bytes", limit));
  }
  void check_not_begun() const {
    if (begun_) throw std::logic_error("a response was begun twice");
  }
  void arm_writes() { connection_.stream_->set_timeout(connection_.settings_->options.write_timeout); }

  void note_connection(ResponseHead& head) {
    if (head.headers.has_token("Connection", "close") || connection_.finishing_) must_close_ = true;
    if (!connection_.reader_->keep_alive()) must_close_ = true;
    if (must_close_) {
      head.headers.set("Connection", "close");
    } else if (head_.version == 10) {
      head.headers.set("Connection", "keep-alive");
    }
  }

  HttpConnection& connection_;
  RequestHead head_;
  bool begun_ = false;
  bool complete_ = false;
  bool chunked_ = false;
  bool no_body_ = false;
  bool must_close_ = false;
  bool taken_over_ = false;
  bool continue_sent_ = false;
};

HttpConnection::HttpConnection(asio::any_io_executor strand, std::shared_ptr<const ConnectionSettings> settings)
    : strand_(std::move(strand)), settings_(std::move(settings)) {}
HttpConnection::~HttpConnection() = default;

asio::awaitable<void> HttpConnection::serve(std::shared_ptr<HttpConnection> /*keeps us alive*/, AcceptedSocket socket) {
  try {
    stream_ = co_await open_stream(std::move(socket), settings_->options);
    reader_ = std::make_unique<MessageReader>(settings_->options.header_limit);
    co_await serve_requests();
  } catch (const std::exception& e) {
    // A peer that goes away or speaks nonsense is its own business; the details help when someone looks for them.
    settings_->logger.debug("connection-ended", {{"error", e.what()}});
  }
  stream_.reset();
}

asio::awaitable<void> HttpConnection::serve_requests() {
  for (;;) {
    idle_ = true;
    const bool again = co_await serve_one();
    if (!again || finishing_) co_return;
  }
}

namespace {

struct Failure {
  int status = 0;  // 0: none
  std::string text;
};

// Calls the handler and turns what it throws into an answer.
asio::awaitable<Failure> call_handler(const HttpHandler& handler, HttpExchange& exchange, const base::Logger& logger) {
  Failure failure;
  try {
    co_await handler(exchange);
  } catch (const BodyTooLarge& e) {
    failure = {413, e.what()};
  } catch (const MalformedMessage& e) {
    failure = {e.status, e.what()};
  } catch (const boost::system::system_error& e) {
    if (base::is_cancellation(e)) throw;
    failure = {e.code() == asio::error::timed_out ? 408 : 500, e.what()};
  } catch (const std::exception& e) {
    failure = {500, "internal error"};
    logger.error("request-failed", {{"path", exchange.request().path()}, {"error", e.what()}});
  }
  if (failure.status == 0 && !exchange.response_begun()) failure = {500, "no response"};
  co_return failure;
}

}  // namespace

asio::awaitable<bool> HttpConnection::serve_one() {
  const auto& options = settings_->options;
  RequestHead head;
  Failure refused;
  stream_->set_timeout(options.idle_timeout);
  try {
    // A head must be complete `header_timeout` after its first byte, however slowly it trickles.
    auto begun = [this] {
      idle_ = false;
      stream_->set_timeout(settings_->options.header_timeout);
    };
    const bool got = co_await reader_->read_request(*stream_, head, begun);
    if (!got) co_return false;
  } catch (const MalformedMessage& e) {
    refused = {e.status, e.what()};
  }
  if (refused.status != 0) {
    HttpResponse response = text_response(refused.status, refused.text);
    response.headers.set("Connection", "close");
    response.headers.set("Content-Length", std::to_string(response.body.size()));
    const std::string bytes = format_head(response) + response.body;
    co_await stream_->write(bytes);
    co_return false;
  }

  ConnectionExchange exchange(*this, std::move(head));
  const Failure failure = co_await call_handler(settings_->handler, exchange, settings_->logger);
  if (exchange.taken_over()) co_return false;
  if (failure.status != 0) {
    if (exchange.response_begun()) co_return false;
    HttpResponse response = text_response(failure.status, failure.text);
    response.headers.set("Connection", "close");
    co_await exchange.respond(std::move(response));
    co_return false;
  }
  if (!exchange.complete() || exchange.must_close()) co_return false;
  char scratch[16 * 1024];
  std::size_t drained = 0;
  while (!reader_->body_complete()) {
    if (exchange.request().headers.has_token("Expect", "100-continue")) co_return false;
    const std::size_t n = co_await exchange.read_some_body(scratch);
    drained += n;
    if (n == 0) break;
    if (drained > kDrainLimit) co_return false;
  }
  co_return true;
}

void HttpConnection::finish_soon(std::shared_ptr<HttpConnection> self) {
  asio::dispatch(strand_, [self] {
    self->finishing_ = true;
    if (self->idle_) self->cancel_.emit(asio::cancellation_type::terminal);
  });
}

void HttpConnection::abort(std::shared_ptr<HttpConnection> self) {
  asio::dispatch(strand_, [self] { self->cancel_.emit(asio::cancellation_type::terminal); });
}

}  // namespace rivera::net
