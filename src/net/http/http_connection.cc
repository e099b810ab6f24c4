#include "net/http/http_connection.h"

#include <boost/asio/dispatch.hpp>
#include <fmt/format.h>

#include "base/units.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "net/http/http_heads.h"

namespace rivera::net {
namespace {

// What a request's body may still hold when its handler has answered: read and discarded to keep the connection.
constexpr std::size_t kDrainLimit = 256 * base::kKibibyte;
// How long a client may take to read a last answer and to close, and how much it may still send meanwhile.
constexpr std::chrono::seconds kLingerLimit{2};
constexpr std::size_t kLingerBytes = 32u << 20;
constexpr std::size_t kScratch = 16 * base::kKibibyte;
constexpr std::size_t kAnsweredTogether = 64 * base::kKibibyte;  // head and body, in one piece

constexpr std::chrono::nanoseconds kUnlimited{0};
constexpr auto kNoDeadline = std::chrono::steady_clock::time_point::max();

bool bodyless(int status) { return status == 204 || status == 304 || (status >= 100 && status < 200); }

asio::awaitable<std::unique_ptr<Stream>> open_stream(AcceptedSocket socket, const HttpServerOptions& options) {
  if (auto* local = std::get_if<UnixSocket>(&socket)) co_return make_stream(std::move(*local));
  auto& tcp = std::get<TcpSocket>(socket);
  if (!options.tls) co_return make_stream(std::move(tcp));
  auto stream = co_await accept_tls(std::move(tcp), *options.tls, options.limits.handshake);
  co_return stream;
}

}  // namespace

class ConnectionExchange final : public HttpExchange {
 public:
  // `length`: what the request announces of its body, 0 if nothing.
  ConnectionExchange(HttpConnection& connection, RequestHead head, std::uint64_t length)
      : connection_(connection),
        head_(std::move(head)),
        length_(length),
        read_pace_(connection.settings_->options.limits.body),
        transfer_end_(std::chrono::steady_clock::now() + connection.settings_->options.limits.transfer) {}

  const RequestHead& request() const override { return head_; }
  const Stream& stream() const override { return *connection_.stream_; }
  bool may_call(RoleBits callers, std::string_view route) const override {
    return connection_.settings_->options.access.allows(connection_.caller_, callers, route);
  }
  const Caller& caller() const override { return connection_.caller_; }
  bool response_begun() const override { return begun_; }
  bool taken_over() const { return taken_over_; }
  bool complete() const { return complete_; }
  bool must_close() const { return must_close_; }
  // The client waits for permission to send its body, and has not received it.
  bool withholds_body() const { return expects_continue() && !continue_sent_; }

  asio::awaitable<std::string> read_body(std::size_t limit) override {
    if (length_ > limit) too_large(limit);
    co_await send_continue();
    connection_.stream_->set_timeout(kUnlimited);
    connection_.stream_->set_deadline(std::chrono::steady_clock::now() + connection_.settings_->options.limits.body);
    std::string body;
    is_body_lost_ = true;
    const bool fits = co_await connection_.reader_.read_whole_body(*connection_.stream_, body, limit);
    is_body_lost_ = false;
    if (!fits) too_large(limit);
    co_return body;
  }

  asio::awaitable<std::size_t> read_some_body(std::span<char> into) override {
    co_await send_continue();
    connection_.stream_->set_timeout(kUnlimited);
    const auto wait_end = read_pace_.begin(std::chrono::steady_clock::now());
    connection_.stream_->set_deadline(std::min(wait_end, transfer_end_));
    is_body_lost_ = true;
    const std::size_t n = co_await connection_.reader_.read_some(*connection_.stream_, into);
    is_body_lost_ = false;
    read_pace_.end(std::chrono::steady_clock::now(), n);
    co_return n;
  }

  asio::awaitable<void> respond(HttpResponse response) override {
    check_not_begun();
    begun_ = true;
    if (!bodyless(response.status)) response.headers.set("Content-Length", std::to_string(response.body.size()));
    note_connection(response);
    const bool send_body = head_.method != "HEAD" && !bodyless(response.status);
    const bool together = send_body && response.body.size() <= kAnsweredTogether;
    std::string bytes;
    bytes.reserve(512 + (together ? response.body.size() : 0));
    append_head(bytes, response);
    if (together) bytes += response.body;
    const std::size_t in_all = bytes.size() + (send_body && !together ? response.body.size() : 0);
    connection_.begin_write(in_all);
    co_await connection_.stream_->write(bytes);
    if (send_body && !together) co_await connection_.stream_->write(response.body);
    connection_.end_write(in_all);
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
    std::string bytes;
    append_head(bytes, head);
    co_await write(bytes);
  }

  asio::awaitable<void> write_body(std::string_view piece) override {
    if (piece.empty() || no_body_) co_return;
    if (!chunked_) {
      co_await write(piece);
      co_return;
    }
    std::string bytes;
    bytes.reserve(piece.size() + 24);
    append_chunk(bytes, piece);
    co_await write(bytes);
  }

  asio::awaitable<void> end_response() override {
    if (chunked_) co_await write(kLastChunk);
    complete_ = true;
  }

  asio::awaitable<void> client_gone() override {
    lift_limits();
    try {
      for (;;) {
        const bool more = co_await connection_.reader_.read_ahead(*connection_.stream_);
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
    std::string bytes;
    append_head(bytes, head);
    co_await write(bytes);
    lift_limits();
    co_return with_read_ahead(std::move(connection_.stream_), connection_.reader_.take_leftover());
  }

 private:
  [[noreturn]] static void too_large(std::size_t limit) {
    throw BodyTooLarge(fmt::format("the request body is larger than {} bytes", limit));
  }
  void check_not_begun() const {
    if (begun_) throw std::logic_error("a response was begun twice");
  }
  asio::awaitable<void> write(std::string_view bytes) {
    connection_.begin_write(bytes.size());
    co_await connection_.stream_->write(bytes);
    connection_.end_write(bytes.size());
  }
  void lift_limits() {
    connection_.stream_->set_timeout(kUnlimited);
    connection_.stream_->set_deadline(kNoDeadline);
  }
  asio::awaitable<void> send_continue() {
    if (continue_sent_ || connection_.reader_.body_complete()) co_return;
    continue_sent_ = true;
    if (!expects_continue()) co_return;
    co_await write("HTTP/1.1 100 Continue\r\n\r\n");
  }

  void note_connection(ResponseHead& head) {
    if (head.headers.has_token("Connection", "close") || connection_.finishing_) must_close_ = true;
    if (!connection_.parsed_.keep_alive() || is_body_lost_) must_close_ = true;
    if (must_close_) {
      head.headers.set("Connection", "close");
    } else if (head_.version == 10) {
      head.headers.set("Connection", "keep-alive");
    }
  }

  bool expects_continue() const { return head_.headers.has_token("Expect", "100-continue"); }

  HttpConnection& connection_;
  RequestHead head_;
  std::uint64_t length_;
  Pace read_pace_;
  Pace::Instant transfer_end_;
  bool begun_ = false;
  bool complete_ = false;
  bool chunked_ = false;
  bool no_body_ = false;
  bool must_close_ = false;
  bool taken_over_ = false;
  bool continue_sent_ = false;
  bool is_body_lost_ = false;  // reading it has failed: where the next request would begin is unknown
};

HttpConnection::HttpConnection(asio::any_io_executor strand, std::shared_ptr<const ConnectionSettings> settings)
    : strand_(std::move(strand)), settings_(std::move(settings)), write_pace_(settings_->options.limits.write) {
  reader_.use_budget(settings_->heads);
  note_waiting();
}
HttpConnection::~HttpConnection() = default;

asio::awaitable<void> HttpConnection::serve(std::shared_ptr<HttpConnection> /*keeps us alive*/, AcceptedSocket socket) {
  try {
    stream_ = co_await open_stream(std::move(socket), settings_->options);
    if (settings_->options.access.is_enforced()) caller_ = settings_->options.access.identify(*stream_);
    co_await serve_requests();
  } catch (const std::exception& e) {
    // The end of a connection is no fault of the server's; the details help to diagnose clients.
    settings_->logger.debug("connection-ended", {{"error", e.what()}});
  }
  stream_.reset();
}

asio::awaitable<void> HttpConnection::serve_requests() {
  for (;;) {
    idle_ = true;
    note_waiting();
    const bool again = co_await serve_one();
    if (!again || finishing_) break;
    reader_.shrink(head_bytes_);
  }
  if (stream_) co_await linger();
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
  } catch (const Http1Error& e) {
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
  RequestHead head;
  Http1Framing framing;
  const bool got = co_await read_head(head, framing);
  if (!got) co_return false;

  waiting_since_ = 0;
  ConnectionExchange exchange(*this, std::move(head), framing.length);
  const Failure failure = co_await call_handler(settings_->handler, exchange, settings_->logger);
  if (exchange.taken_over()) co_return false;
  if (failure.status != 0) {
    if (exchange.response_begun()) {
      stream_.reset();  // the client must not take what it has for the whole
      co_return false;
    }
    HttpResponse response = text_response(failure.status, failure.text);
    response.headers.set("Connection", "close");
    co_await exchange.respond(std::move(response));
    co_return false;
  }
  if (!exchange.complete()) {
    stream_.reset();
    co_return false;
  }
  if (exchange.must_close()) co_return false;
  const bool clean = co_await drain(exchange.withholds_body());
  co_return clean;
}

asio::awaitable<bool> HttpConnection::read_head(RequestHead& head, Http1Framing& framing) {
  const auto& options = settings_->options;
  // Not for each read: a TLS client can send much that is no byte of a request.
  stream_->set_timeout(kUnlimited);
  stream_->set_deadline(std::chrono::steady_clock::now() + options.limits.idle);
  const bool begun = co_await reader_.wait_for_input(*stream_);
  if (!begun) co_return false;
  idle_ = false;
  stream_->set_deadline(std::chrono::steady_clock::now() + options.limits.head);
  Failure refused;
  try {
    const bool got = co_await reader_.read_head(*stream_, head_bytes_, options.header_limit);
    if (!got) co_return false;
    parse_http1_request(head_bytes_, parsed_);
    if (parsed_.major != 1) throw Http1Error("unsupported HTTP version", 505);
    framing = framing_of(parsed_);
  } catch (const Http1Error& e) {
    refused = {e.status, e.what()};
  }
  if (refused.status != 0) {
    co_await refuse(refused.status, std::move(refused.text));
    co_return false;
  }
  reader_.begin_body(framing);
  copy_head(parsed_, head);
  co_return true;
}

// Answers what cannot be read as a request: where the next one would begin is unknown, so this is the last answer.
asio::awaitable<void> HttpConnection::refuse(int status, std::string reason) {
  const RefusedRequest refused{status, reason, stream_->peer_address()};
  if (settings_->options.on_refused) {
    settings_->options.on_refused(refused);
  } else {
    settings_->logger.info("request-refused", {{"status", status}, {"reason", reason}, {"peer", refused.peer}});
  }
  HttpResponse response = text_response(status, std::move(reason));
  response.headers.set("Connection", "close");
  response.headers.set("Content-Length", std::to_string(response.body.size()));
  std::string bytes;
  append_head(bytes, response);
  bytes += response.body;
  begin_write(bytes.size());
  co_await stream_->write(bytes);
}

asio::awaitable<bool> HttpConnection::drain(bool withheld) {
  if (reader_.body_complete()) co_return true;
  if (withheld) co_return false;
  stream_->set_timeout(kUnlimited);
  stream_->set_deadline(std::chrono::steady_clock::now() + settings_->options.limits.body);
  std::size_t drained = 0;
  while (drained <= kDrainLimit) {
    const std::string_view piece = co_await reader_.read_body(*stream_);
    if (piece.empty()) co_return true;
    drained += piece.size();
  }
  co_return false;
}

// A connection that is closed on unread bytes is reset, and the client may lose the answer: reads for a short time what
// still comes.
asio::awaitable<void> HttpConnection::linger() {
  idle_ = true;
  note_waiting();
  stream_->set_timeout(kUnlimited);
  stream_->set_deadline(std::chrono::steady_clock::now() + kLingerLimit);
  co_await stream_->shutdown_write();
  std::vector<char> scratch(kScratch);
  for (std::size_t read = 0; read < kLingerBytes;) {
    const std::size_t n = co_await stream_->read_some(scratch);
    if (n == 0) co_return;
    read += n;
  }
}

void HttpConnection::begin_write(std::size_t bytes) {
  stream_->set_timeout(settings_->options.limits.write);
  stream_->set_deadline(write_pace_.begin(std::chrono::steady_clock::now(), bytes));
}

void HttpConnection::end_write(std::size_t bytes) { write_pace_.end(std::chrono::steady_clock::now(), bytes); }

void HttpConnection::finish_soon(std::shared_ptr<HttpConnection> self) {
  asio::dispatch(strand_, [self] {
    self->finishing_ = true;
    if (self->idle_) self->cancel_.emit(asio::cancellation_type::terminal);
  });
}

std::optional<std::chrono::steady_clock::time_point> HttpConnection::waiting_since() const {
  const std::int64_t ticks = waiting_since_;
  if (ticks == 0) return std::nullopt;
  return std::chrono::steady_clock::time_point(std::chrono::steady_clock::duration(ticks));
}

void HttpConnection::end_if_waiting(std::shared_ptr<HttpConnection> self) {
  asio::dispatch(strand_, [self] {
    if (self->waiting_since_ != 0) self->cancel_.emit(asio::cancellation_type::terminal);
  });
}

void HttpConnection::abort(std::shared_ptr<HttpConnection> self) {
  asio::dispatch(strand_, [self] { self->cancel_.emit(asio::cancellation_type::terminal); });
}

}  // namespace rivera::net
