#include "net/http/http_client.h"

#include <fmt/format.h>

#include "base/units.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "net/http/connection_pool.h"
#include "net/http/http_heads.h"
#include "net/stream/stream_factory.h"

namespace rivera::net {

// What the coroutines of one client share; outlives the client while one of them runs.
struct HttpClient::Impl {
  Impl(asio::any_io_executor executor, HttpClientOptions given)
      : options(std::move(given)),
        pool(std::make_shared<ConnectionPool>(
            std::move(executor),
            ConnectionPool::Limits{options.idle_timeout, options.max_idle_per_endpoint, options.max_idle})) {}

  const HttpClientOptions options;
  const std::shared_ptr<ConnectionPool> pool;
};

namespace {

constexpr std::size_t kResponseHeadLimit = 1u << 20;
constexpr std::size_t kSentTogether = 64 * base::kKibibyte;  // head and body, in one piece
constexpr int kMostInformational = 16;                       // answers before the final one
constexpr std::chrono::nanoseconds kNoLimit{0};

using Instant = std::chrono::steady_clock::time_point;

// The time that a request may take, from its first byte or its connection on.
struct RequestLimit {
  explicit RequestLimit(std::chrono::nanoseconds limit)
      : allowed(limit), end(limit > kNoLimit ? std::chrono::steady_clock::now() + limit : Instant::max()) {}
  bool has_passed() const { return end != Instant::max() && std::chrono::steady_clock::now() >= end; }
  std::chrono::nanoseconds left() const { return end - std::chrono::steady_clock::now(); }

  std::chrono::nanoseconds allowed;
  Instant end;
};

// Why an attempt ended without a response.
struct AttemptFailure {
  std::string reason;      // "": it did not
  bool is_broken = false;  // the connection broke
  bool has_expired = false;
};

AttemptFailure failure_of(const boost::system::system_error& e, const RequestLimit& limit) {
  if (base::is_cancellation(e)) throw e;
  const bool has_expired = e.code() == asio::error::timed_out && limit.has_passed();
  return {e.code().message(), !has_expired, has_expired};
}

bool is_idempotent(std::string_view method) {
  for (const char* each : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}) {
    if (method == each) return true;
  }
  return false;
}

std::string description(const RequestHead& request, const Endpoint& endpoint) {
  return fmt::format("{} {}{}", request.method, endpoint.text(), request.path());
}

[[noreturn]] void fail(const AttemptFailure& failure, const RequestHead& request, const Endpoint& endpoint,
                       const RequestLimit& limit, bool was_sent) {
  if (failure.has_expired) {
    throw base::DeadlineExceeded(base::deadline_message(description(request, endpoint), limit.allowed));
  }
  throw TransportError(fmt::format("request to {} failed: {}", endpoint.text(), failure.reason), was_sent);
}

void set_host(RequestHead& request, const Endpoint& endpoint) {
  if (!request.headers.has("Host")) request.headers.add("Host", endpoint.host_header());
}

void prepare(HttpRequest& request, const Endpoint& endpoint) {
  set_host(request, endpoint);
  const bool bodyless = request.body.empty() && (request.method == "GET" || request.method == "HEAD");
  if (!bodyless) request.headers.set("Content-Length", std::to_string(request.body.size()));
}

// The request's head as bytes. Throws TransportError: what cannot be written was not sent.
std::string head_bytes(const RequestHead& request, std::size_t body_size) {
  std::string bytes;
  bytes.reserve(512 + body_size);
  try {
    append_head(bytes, request);
  } catch (const std::invalid_argument& e) {
    throw TransportError(e.what(), false);
  }
  return bytes;
}

asio::awaitable<std::unique_ptr<ClientConnection>> connect_new(const HttpClientOptions& options, Endpoint endpoint,
                                                               RequestLimit limit) {
  auto allowed = options.connect_timeout;
  if (limit.end != Instant::max()) allowed = std::min(allowed, std::max(limit.left(), std::chrono::nanoseconds(1)));
  auto connection = std::make_unique<ClientConnection>();
  connection->stream = co_await connect(std::move(endpoint), options.tls, allowed, options.destinations);
  co_return connection;
}

// The same with the request's own limit named where it is that one that passed.
asio::awaitable<std::unique_ptr<ClientConnection>> connect_for(const HttpClientOptions& options, Endpoint endpoint,
                                                               const RequestHead& request, RequestLimit limit) {
  std::exception_ptr failure;
  try {
    auto connection = co_await connect_new(options, endpoint, limit);
    co_return connection;
  } catch (const TransportError&) {
    failure = std::current_exception();
  }
  if (limit.has_passed()) {
    throw base::DeadlineExceeded(base::deadline_message(description(request, endpoint), limit.allowed));
  }
  std::rethrow_exception(failure);
}

// The next head that is no informational answer. False at the end of the stream before its first byte.
asio::awaitable<bool> read_final_head(ClientConnection& connection, bool to_head) {
  for (int i = 0; i < kMostInformational; ++i) {
    const bool got = co_await connection.reader.read_head(*connection.stream, connection.head, kResponseHeadLimit);
    if (!got) co_return false;
    auto& response = connection.response;
    parse_http1_response(connection.head, response);
    if (response.status < 200 && response.status != 101) continue;
    const Http1Framing framing = framing_of(response, to_head);
    connection.reader.begin_body(framing);
    connection.may_be_reused =
        response.keep_alive() && framing.kind != Http1Framing::Kind::kUntilClose && response.status != 101;
    co_return true;
  }
  throw Http1Error("too many informational answers");
}

// `write` has failed with `broken`, or all has been sent: reads the answer. A server that refuses a request before it
// has read all of it may have answered and closed.
asio::awaitable<void> read_answer(ClientConnection& connection, bool to_head, error_code broken) {
  bool got = false;
  try {
    got = co_await read_final_head(connection, to_head);
  } catch (const boost::system::system_error& e) {
    if (!broken || base::is_cancellation(e)) throw;
  }
  if (!got) throw boost::system::system_error(broken ? broken : error_code(asio::error::eof));
  if (broken) connection.may_be_reused = false;
}

// Whether an answer may still be there to be read after a failed write.
bool is_final(const error_code& ec) { return base::is_cancellation(ec) || ec == asio::error::timed_out; }

// Whether a read has ended only because the server has been silent for a while.
bool is_quiet(const HttpClientOptions& options, const error_code& ec, const RequestLimit& limit) {
  return options.still_answers && ec == asio::error::timed_out && !limit.has_passed();
}

// Returns if the server still answers, and when the request's time is over, which the next read notices.
asio::awaitable<void> ask_after(const HttpClientOptions& options, const ClientConnection& connection,
                                RequestLimit limit) {
  auto asking = options.still_answers(connection.stream->peer_address());
  if (limit.end == Instant::max()) {
    co_await std::move(asking);
    co_return;
  }
  try {
    co_await base::within(limit.left(), "asking", std::move(asking));
  } catch (const base::DeadlineExceeded&) {
  }
}

// One attempt: the request out, the response's head in.
asio::awaitable<void> exchange_heads(const HttpClientOptions& options, ClientConnection& connection,
                                     const HttpRequest& request, RequestLimit limit) {
  const bool together = request.body.size() <= kSentTogether;
  std::string bytes = head_bytes(request, together ? request.body.size() : 0);
  if (together) bytes += request.body;
  error_code broken;
  try {
    co_await connection.stream->write(bytes);
    if (!together) co_await connection.stream->write(request.body);
  } catch (const boost::system::system_error& e) {
    if (is_final(e.code())) throw;
    broken = e.code();
  }
  if (options.still_answers) connection.stream->set_timeout(options.quiet_limit);
  for (;;) {
    try {
      co_await read_answer(connection, request.method == "HEAD", broken);
      co_return;
    } catch (const boost::system::system_error& e) {
      if (broken || !is_quiet(options, e.code(), limit)) throw;
    }
    co_await ask_after(options, connection, limit);
  }
}

// Sends the request, on a kept-alive connection if there is one, and returns the connection with the response's head.
// Where a kept-alive one turns out to be broken before anything has come, the request is sent again on a new one if it
// is idempotent or has not left this machine.
template <typename Impl>
asio::awaitable<std::unique_ptr<ClientConnection>> exchange_on_any(std::shared_ptr<Impl> impl, const Endpoint& endpoint,
                                                                   const HttpRequest& request, RequestLimit limit) {
  auto connection = impl->pool->take(endpoint);
  for (;;) {
    if (!connection) connection = co_await connect_for(impl->options, endpoint, request, limit);
    connection->stream->set_timeout(kNoLimit);
    connection->stream->set_deadline(limit.end);
    const std::uint64_t sent_before = connection->stream->bytes_sent();
    AttemptFailure failure;
    try {
      co_await exchange_heads(impl->options, *connection, request, limit);
    } catch (const Http1Error& e) {
      failure.reason = fmt::format("malformed answer: {}", e.what());
    } catch (const boost::system::system_error& e) {
      failure = failure_of(e, limit);
    }
    if (failure.reason.empty()) co_return connection;
    const bool was_sent = connection->stream->bytes_sent() != sent_before;
    const bool again = failure.is_broken && connection->is_reused && !connection->reader.has_leftover() &&
                       (!was_sent || is_idempotent(request.method));
    if (failure.has_expired) impl->pool->drop(endpoint);
    if (!again) fail(failure, request, endpoint, limit, was_sent);
    connection.reset();
  }
}

class IncomingResponse final : public HttpIncoming {
 public:
  IncomingResponse(std::unique_ptr<ClientConnection> connection, std::shared_ptr<ConnectionPool> pool,
                   Endpoint endpoint)
      : connection_(std::move(connection)), pool_(std::move(pool)), endpoint_(std::move(endpoint)) {
    copy_head(connection_->response, head_);
    connection_->stream->set_timeout(kNoLimit);
    connection_->stream->set_deadline(Instant::max());
  }
  ~IncomingResponse() override {
    if (connection_) pool_->give_back(endpoint_, std::move(connection_));
  }

  const ResponseHead& head() const override { return head_; }
  Stream& stream() override { return *connection_->stream; }

  asio::awaitable<std::size_t> read_some(std::span<char> into) override {
    std::string failure;
    bool is_quiet = false;
    try {
      const std::size_t n = co_await connection_->reader.read_some(*connection_->stream, into);
      co_return n;
    } catch (const Http1Error& e) {
      failure = fmt::format("the response from {} is malformed: {}", endpoint_.text(), e.what());
    } catch (const boost::system::system_error& e) {
      if (base::is_cancellation(e)) throw;
      is_quiet = e.code() == asio::error::timed_out;
      failure = fmt::format("the response from {} broke off: {}", endpoint_.text(), e.code().message());
    }
    if (is_quiet) throw ResponseStalled(failure);
    throw TransportError(failure, true);
  }

  std::unique_ptr<Stream> take_over() override {
    auto connection = std::move(connection_);
    return with_read_ahead(std::move(connection->stream), connection->reader.take_leftover());
  }

 private:
  std::unique_ptr<ClientConnection> connection_;
  std::shared_ptr<ConnectionPool> pool_;
  Endpoint endpoint_;
  ResponseHead head_;
};

template <typename Impl>
asio::awaitable<std::unique_ptr<HttpIncoming>> open_whole(std::shared_ptr<Impl> impl, Endpoint endpoint,
                                                          HttpRequest request, std::chrono::nanoseconds timeout) {
  prepare(request, endpoint);
  auto connection = co_await exchange_on_any(impl, endpoint, request, RequestLimit(timeout));
  co_return std::make_unique<IncomingResponse>(std::move(connection), impl->pool, std::move(endpoint));
}

// Reads the whole body into `body`; false if it is larger than allowed.
asio::awaitable<bool> read_body(const HttpClientOptions& options, ClientConnection& connection, std::string& body,
                                RequestLimit limit) {
  for (;;) {
    try {
      const bool fits = co_await connection.reader.read_whole_body(*connection.stream, body, options.response_limit);
      co_return fits;
    } catch (const boost::system::system_error& e) {
      if (!is_quiet(options, e.code(), limit)) throw;
    }
    co_await ask_after(options, connection, limit);
  }
}

template <typename Impl>
asio::awaitable<HttpResponse> send_and_read(std::shared_ptr<Impl> impl, Endpoint endpoint, HttpRequest request,
                                            std::chrono::nanoseconds timeout) {
  const RequestLimit limit(timeout);
  prepare(request, endpoint);
  auto connection = co_await exchange_on_any(impl, endpoint, request, limit);
  HttpResponse response;
  copy_head(connection->response, response);
  AttemptFailure failure;
  bool fits = false;
  try {
    fits = co_await read_body(impl->options, *connection, response.body, limit);
  } catch (const Http1Error& e) {
    failure.reason = fmt::format("malformed answer: {}", e.what());
  } catch (const boost::system::system_error& e) {
    failure = failure_of(e, limit);
    failure.reason = "the response broke off: " + failure.reason;
  }
  if (failure.has_expired) impl->pool->drop(endpoint);
  if (!failure.reason.empty()) fail(failure, request, endpoint, limit, true);
  if (!fits) throw TransportError(fmt::format("the response from {} is too large", endpoint.text()), true);
  impl->pool->give_back(endpoint, std::move(connection));
  co_return response;
}

asio::awaitable<void> send_body(Stream& stream, BodySource body, bool chunked) {
  std::string bytes;
  for (;;) {
    std::string piece = co_await body();
    if (piece.empty()) break;
    if (chunked) {
      bytes.clear();
      append_chunk(bytes, piece);
      piece.swap(bytes);
    }
    co_await stream.write(piece);
  }
  if (chunked) co_await stream.write(kLastChunk);
}

// Always on a new connection: a body that has been read from its source cannot be sent again.
template <typename Impl>
asio::awaitable<std::unique_ptr<HttpIncoming>> open_streaming(std::shared_ptr<Impl> impl, Endpoint endpoint,
                                                              RequestHead request, BodySource body) {
  set_host(request, endpoint);
  const bool chunked = !request.headers.has("Content-Length");
  if (chunked) request.headers.set("Transfer-Encoding", "chunked");
  const std::string bytes = head_bytes(request, 0);
  RequestLimit limit(impl->options.request_timeout);
  auto connection = co_await connect_for(impl->options, endpoint, request, limit);
  connection->stream->set_timeout(impl->options.request_timeout);
  AttemptFailure failure;
  try {
    error_code broken;
    try {
      co_await connection->stream->write(bytes);
      co_await send_body(*connection->stream, std::move(body), chunked);
    } catch (const boost::system::system_error& e) {
      if (is_final(e.code())) throw;
      broken = e.code();
    }
    limit = RequestLimit(impl->options.request_timeout);
    connection->stream->set_timeout(kNoLimit);
    connection->stream->set_deadline(limit.end);
    co_await read_answer(*connection, request.method == "HEAD", broken);
  } catch (const Http1Error& e) {
    failure.reason = fmt::format("malformed answer: {}", e.what());
  } catch (const boost::system::system_error& e) {
    failure = failure_of(e, limit);
  }
  if (!failure.reason.empty()) fail(failure, request, endpoint, limit, connection->stream->bytes_sent() > 0);
  co_return std::make_unique<IncomingResponse>(std::move(connection), impl->pool, std::move(endpoint));
}

}  // namespace

HttpClient::HttpClient(asio::any_io_executor executor, HttpClientOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options))) {}
HttpClient::~HttpClient() { impl_->pool->close(); }

asio::awaitable<HttpResponse> HttpClient::send(Endpoint endpoint, HttpRequest request) {
  return send(std::move(endpoint), std::move(request), impl_->options.request_timeout);
}

asio::awaitable<HttpResponse> HttpClient::send(Endpoint endpoint, HttpRequest request,
                                               std::chrono::nanoseconds timeout) {
  return send_and_read(impl_, std::move(endpoint), std::move(request), timeout);
}

asio::awaitable<std::unique_ptr<HttpIncoming>> HttpClient::open(Endpoint endpoint, HttpRequest request) {
  return open_whole(impl_, std::move(endpoint), std::move(request), impl_->options.request_timeout);
}

asio::awaitable<std::unique_ptr<HttpIncoming>> HttpClient::open(Endpoint endpoint, RequestHead request,
                                                                BodySource body) {
  return open_streaming(impl_, std::move(endpoint), std::move(request), std::move(body));
}

void HttpClient::close_idle(const Endpoint& endpoint) { impl_->pool->drop(endpoint); }

}  // namespace rivera::net
