#include "net/http/http_client.h"

#include <deque>
#include <map>

#include <fmt/format.h>

#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "net/http/http_parsing.h"
#include "net/stream/stream_factory.h"

namespace rivera::net {
namespace {

constexpr std::size_t kHeaderLimit = 1u << 20;
using SteadyTime = std::chrono::steady_clock::time_point;

// A connection and what was read from it beyond the last message.
struct Connection {
  std::unique_ptr<Stream> stream;
  MessageReader reader{kHeaderLimit};
  bool reused = false;
};

}  // namespace

class HttpClient::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, HttpClientOptions options)
      : executor_(std::move(executor)), options_(std::move(options)) {}

  const HttpClientOptions& options() const { return options_; }

  // A kept-alive connection if `may_reuse` and there is one that is still quiet, else a new one.
  asio::awaitable<std::unique_ptr<Connection>> acquire(Endpoint endpoint, bool may_reuse) {
    auto& idle = idle_[endpoint];
    while (may_reuse && !idle.empty()) {
      auto candidate = std::move(idle.back());
      idle.pop_back();
      const bool fresh = std::chrono::steady_clock::now() - candidate.since < options_.idle_timeout;
      if (!fresh || candidate.connection->stream->has_pending_input()) continue;
      candidate.connection->reused = true;
      co_return std::move(candidate.connection);
    }
    auto stream = co_await connect(std::move(endpoint), options_.tls, options_.connect_timeout);
    auto made = std::make_unique<Connection>();
    made->stream = std::move(stream);
    co_return made;
  }

  void release(const Endpoint& endpoint, std::unique_ptr<Connection> connection) {
    if (options_.max_idle_per_endpoint == 0) return;
    if (!connection->reader.keep_alive() || connection->reader.has_input()) return;
    auto& idle = idle_[endpoint];
    if (idle.size() >= options_.max_idle_per_endpoint) idle.pop_front();
    idle.push_back({std::move(connection), std::chrono::steady_clock::now()});
  }

 private:
  struct Idle {
    std::unique_ptr<Connection> connection;
    SteadyTime since;
  };
  asio::any_io_executor executor_;
  HttpClientOptions options_;
  std::map<Endpoint, std::deque<Idle>> idle_;
};

namespace {

asio::awaitable<void> send_body(Stream& stream, BodySource body, bool chunked) {
  for (;;) {
    std::string piece = co_await body();
    if (piece.empty()) break;
    if (chunked) piece = chunk_head(piece.size()) + piece + "\r\n";
    co_await stream.write(piece);
  }
  if (chunked) co_await stream.write("0\r\n\r\n");
}

// One attempt: the request out, the response's head in.
asio::awaitable<ResponseHead> exchange_heads(Connection& connection, const HttpRequest& request) {
  std::string bytes = format_head(request);
  if (request.body.size() <= 64 * 1024) {
    bytes += request.body;
    co_await connection.stream->write(bytes);
  } else {
    co_await connection.stream->write(bytes);
    co_await connection.stream->write(request.body);
  }
  ResponseHead head;
  const bool got = co_await connection.reader.read_response(*connection.stream, head, request.method == "HEAD");
  if (!got) throw boost::system::system_error(asio::error::eof);
  co_return head;
}

void prepare(HttpRequest& request, const Endpoint& endpoint) {
  if (!request.headers.has("Host")) request.headers.add("Host", endpoint.host_header());
  const bool bodyless = request.body.empty() && (request.method == "GET" || request.method == "HEAD");
  if (!bodyless) request.headers.set("Content-Length", std::to_string(request.body.size()));
}

TransportError broken(const Endpoint& endpoint, const std::string& why) {
  return TransportError(fmt::format("request to {} failed: {}", endpoint.text(), why), true);
}

}  // namespace

namespace {

class IncomingResponse final : public HttpIncoming {
 public:
  IncomingResponse(std::unique_ptr<Connection> connection, ResponseHead head,
                   std::function<void(std::unique_ptr<Connection>)> give_back)
      : connection_(std::move(connection)), head_(std::move(head)), give_back_(std::move(give_back)) {}

  ~IncomingResponse() override {
    if (connection_ && connection_->reader.body_complete()) give_back_(std::move(connection_));
  }

  const ResponseHead& head() const override { return head_; }
  Stream& stream() override { return *connection_->stream; }

  asio::awaitable<std::size_t> read_some(std::span<char> into) override {
    std::string failure;
    try {
      const std::size_t n = co_await connection_->reader.read_some_body(*connection_->stream, into);
      co_return n;
    } catch (const MalformedMessage& e) {
      failure = e.what();
    } catch (const boost::system::system_error& e) {
      if (base::is_cancellation(e)) throw;
      failure = fmt::format("the response broke off: {}", e.code().message());
    }
    throw TransportError(failure, true);
  }

  std::unique_ptr<Stream> take_over() override {
    auto connection = std::move(connection_);
    return with_read_ahead(std::move(connection->stream), connection->reader.take_read_ahead());
  }

 private:
  std::unique_ptr<Connection> connection_;
  ResponseHead head_;
  std::function<void(std::unique_ptr<Connection>)> give_back_;
};

// Sends the request, on a kept-alive connection first and, if that turns out to be dead, on a new one.
template <typename Impl>
asio::awaitable<std::unique_ptr<HttpIncoming>> open_whole(std::shared_ptr<Impl> impl, Endpoint endpoint,
                                                          HttpRequest request) {
  prepare(request, endpoint);
  for (bool may_reuse : {true, false}) {
    auto connection = co_await impl->acquire(endpoint, may_reuse);
    std::string failure;
    ResponseHead head;
    bool try_again = false;
    try {
      head = co_await exchange_heads(*connection, request);
    } catch (const MalformedMessage& e) {
      failure = e.what();
    } catch (const boost::system::system_error& e) {
      if (base::is_cancellation(e)) throw;
      failure = e.code().message();
      try_again = connection->reused && !connection->reader.has_input();
    }
    if (failure.empty()) {
      auto give_back = [impl, endpoint](std::unique_ptr<Connection> c) { impl->release(endpoint, std::move(c)); };
      co_return std::make_unique<IncomingResponse>(std::move(connection), std::move(head), give_back);
    }
    if (!try_again) throw broken(endpoint, failure);
  }
  throw broken(endpoint, "no connection");
}

template <typename Impl>
asio::awaitable<std::unique_ptr<HttpIncoming>> open_streaming(std::shared_ptr<Impl> impl, Endpoint endpoint,
                                                              RequestHead request, BodySource body) {
  if (!request.headers.has("Host")) request.headers.add("Host", endpoint.host_header());
  const bool chunked = !request.headers.has("Content-Length");
  if (chunked) request.headers.set("Transfer-Encoding", "chunked");
  auto connection = co_await impl->acquire(endpoint, false);  // a body that is gone cannot be sent twice
  std::string failure;
  try {
    const std::string bytes = format_head(request);
    co_await connection->stream->write(bytes);
    co_await send_body(*connection->stream, std::move(body), chunked);
    ResponseHead head;
    const bool got = co_await connection->reader.read_response(*connection->stream, head, request.method == "HEAD");
    if (!got) throw boost::system::system_error(asio::error::eof);
    auto give_back = [impl, endpoint](std::unique_ptr<Connection> c) { impl->release(endpoint, std::move(c)); };
    co_return std::make_unique<IncomingResponse>(std::move(connection), std::move(head), give_back);
  } catch (const MalformedMessage& e) {
    failure = e.what();
  } catch (const boost::system::system_error& e) {
    if (base::is_cancellation(e)) throw;
    failure = e.code().message();
  }
  throw broken(endpoint, failure);
}

asio::awaitable<HttpResponse> read_whole(std::unique_ptr<HttpIncoming> incoming, std::size_t limit) {
  HttpResponse response;
  static_cast<ResponseHead&>(response) = incoming->head();
  char buffer[16 * 1024];
  for (;;) {
    const std::size_t n = co_await incoming->read_some(buffer);
    if (n == 0) co_return response;
    if (response.body.size() + n > limit) throw TransportError("the response body is too large", true);
    response.body.append(buffer, n);
  }
}

template <typename Impl>
asio::awaitable<HttpResponse> send_and_read(std::shared_ptr<Impl> impl, Endpoint endpoint, HttpRequest request) {
  auto incoming = co_await open_whole(impl, std::move(endpoint), std::move(request));
  auto response = co_await read_whole(std::move(incoming), impl->options().response_limit);
  co_return response;
}

template <typename T>
asio::awaitable<T> limited(std::chrono::nanoseconds limit, std::string what, asio::awaitable<T> work) {
  if (limit.count() == 0) return work;
  return base::within(limit, std::move(what), std::move(work));
}

}  // namespace

HttpClient::HttpClient(asio::any_io_executor executor, HttpClientOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options))) {}
HttpClient::~HttpClient() = default;

asio::awaitable<HttpResponse> HttpClient::send(Endpoint endpoint, HttpRequest request) {
  return send(std::move(endpoint), std::move(request), impl_->options().request_timeout);
}

asio::awaitable<HttpResponse> HttpClient::send(Endpoint endpoint, HttpRequest request,
                                               std::chrono::nanoseconds timeout) {
  std::string what = fmt::format("{} {}{}", request.method, endpoint.text(), request.path());
  return limited(timeout, std::move(what), send_and_read(impl_, std::move(endpoint), std::move(request)));
}

asio::awaitable<std::unique_ptr<HttpIncoming>> HttpClient::open(Endpoint endpoint, HttpRequest request) {
  std::string what = fmt::format("{} {}{}", request.method, endpoint.text(), request.path());
  return limited(impl_->options().request_timeout, std::move(what),
                 open_whole(impl_, std::move(endpoint), std::move(request)));
}

asio::awaitable<std::unique_ptr<HttpIncoming>> HttpClient::open(Endpoint endpoint, RequestHead request,
                                                                BodySource body) {
  return open_streaming(impl_, std::move(endpoint), std::move(request), std::move(body));
}

}  // namespace rivera::net
