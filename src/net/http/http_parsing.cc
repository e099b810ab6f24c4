#include "net/http/http_parsing.h"

#include <cstring>
#include <functional>
#include <limits>

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <fmt/format.h>

namespace rivera::net {
namespace {

namespace http = boost::beast::http;
constexpr std::size_t kReadSize = 16 * 1024;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

template <typename Fields>
void copy_headers(const Fields& from, Headers& into) {
  into = Headers();
  for (const auto& field : from) into.add(std::string(view(field.name_string())), std::string(view(field.value())));
}

[[noreturn]] void malformed(const error_code& ec) {
  const bool too_large = ec == http::error::header_limit || ec == http::error::buffer_overflow;
  throw MalformedMessage(fmt::format("malformed HTTP message: {}", ec.message()), too_large ? 431 : 400);
}

}  // namespace

struct MessageReader::State {
  explicit State(std::size_t limit) : header_limit(limit) {}

  std::size_t header_limit;
  std::string input;  // bytes read and not yet parsed, from `at` on
  std::size_t at = 0;
  std::optional<http::request_parser<http::buffer_body>> request;
  std::optional<http::response_parser<http::buffer_body>> response;

  std::string_view unread() const { return std::string_view(input).substr(at); }

  // Appends what the peer sends next; false at the end of the stream.
  asio::awaitable<bool> fill(Stream& stream) {
    if (at == input.size()) {
      input.clear();
      at = 0;
    } else if (at > kReadSize) {
      input.erase(0, at);
      at = 0;
    }
    const std::size_t old_size = input.size();
    input.resize(old_size + kReadSize);
    std::size_t n = 0;
    try {
      n = co_await stream.read_some(std::span<char>(input.data() + old_size, kReadSize));
    } catch (...) {
      input.resize(old_size);
      throw;
    }
    input.resize(old_size + n);
    co_return n > 0;
  }

  template <typename Parser>
  void prepare(Parser& parser) {
    parser.header_limit(static_cast<std::uint32_t>(header_limit));
    parser.body_limit(boost::none);
    parser.eager(false);
  }

  // False at a clean end before the first byte.
  template <typename Parser>
  asio::awaitable<bool> read_head(Stream& stream, Parser& parser, std::function<void()> first_byte_seen) {
    bool begun = false;
    while (!parser.is_header_done()) {
      if (unread().empty()) {
        const bool more = co_await fill(stream);
        if (!more && !begun) co_return false;
        if (!more) throw boost::system::system_error(asio::error::eof);
      }
      if (!begun && first_byte_seen) first_byte_seen();
      begun = true;
      error_code ec;
      at += parser.put(asio::buffer(unread().data(), unread().size()), ec);
      if (ec == http::error::need_more) {
        if (unread().size() > header_limit) malformed(http::error::header_limit);
        const bool more = co_await fill(stream);
        if (!more) throw boost::system::system_error(asio::error::eof);
      } else if (ec) {
        malformed(ec);
      }
    }
    co_return true;
  }

  template <typename Parser>
  asio::awaitable<std::size_t> read_body(Stream& stream, Parser& parser, std::span<char> into) {
    while (!parser.is_done()) {
      parser.get().body().data = into.data();
      parser.get().body().size = into.size();
      parser.get().body().more = true;
      error_code ec;
      if (!unread().empty()) at += parser.put(asio::buffer(unread().data(), unread().size()), ec);
      const std::size_t got = into.size() - parser.get().body().size;
      if (ec && ec != http::error::need_buffer && ec != http::error::need_more) malformed(ec);
      if (got > 0) co_return got;
      if (parser.is_done()) break;
      if (ec == http::error::need_more || unread().empty()) {
        const bool more = co_await fill(stream);
        if (!more) finish_at_eof(parser);
      }
    }
    co_return 0;
  }

  // A body without length ends with the connection; any other is cut short.
  template <typename Parser>
  void finish_at_eof(Parser& parser) {
    error_code ec;
    parser.put_eof(ec);
    if (ec) throw boost::system::system_error(asio::error::eof);
  }
};

MessageReader::MessageReader(std::size_t header_limit) : state_(std::make_unique<State>(header_limit)) {}
MessageReader::~MessageReader() = default;

asio::awaitable<bool> MessageReader::read_request(Stream& stream, RequestHead& into,
                                                  std::function<void()> first_byte_seen) {
  state_->request.emplace();
  auto& parser = *state_->request;
  state_->prepare(parser);
  const bool got = co_await state_->read_head(stream, parser, std::move(first_byte_seen));
  if (!got) co_return false;
  const auto& message = parser.get();
  into.method = view(message.method_string());
  into.target = view(message.target());
  into.version = static_cast<int>(message.version());
  copy_headers(message, into.headers);
  co_return true;
}

asio::awaitable<bool> MessageReader::read_response(Stream& stream, ResponseHead& into, bool no_body) {
  for (;;) {
    state_->response.emplace();
    auto& parser = *state_->response;
    state_->prepare(parser);
    parser.skip(no_body);
    const bool got = co_await state_->read_head(stream, parser, {});
    if (!got) co_return false;
    const auto& message = parser.get();
    into.status = static_cast<int>(message.result_int());
    if (into.status >= 100 && into.status < 200 && into.status != 101) continue;
    into.reason = view(message.reason());
    copy_headers(message, into.headers);
    co_return true;
  }
}

asio::awaitable<std::size_t> MessageReader::read_some_body(Stream& stream, std::span<char> into) {
  if (state_->request) return state_->read_body(stream, *state_->request, into);
  return state_->read_body(stream, *state_->response, into);
}

bool MessageReader::body_complete() const {
  if (state_->request) return state_->request->is_done();
  return state_->response && state_->response->is_done();
}

bool MessageReader::keep_alive() const {
  if (state_->request) return state_->request->keep_alive();
  return state_->response && state_->response->keep_alive();
}

bool MessageReader::has_input() const { return !state_->unread().empty(); }

asio::awaitable<bool> MessageReader::read_ahead(Stream& stream) { return state_->fill(stream); }

std::string MessageReader::take_read_ahead() {
  std::string rest(state_->unread());
  state_->input.clear();
  state_->at = 0;
  return rest;
}

namespace {

void append_fields(std::string& out, const Headers& headers) {
  for (const auto& [name, value] : headers) {
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  out += "\r\n";
}

}  // namespace

std::string format_head(const ResponseHead& head) {
  std::string out = "HTTP/1.1 ";
  out += std::to_string(head.status);
  out += ' ';
  out += head.reason.empty() ? standard_reason(head.status) : std::string_view(head.reason);
  out += "\r\n";
  append_fields(out, head.headers);
  return out;
}

std::string format_head(const RequestHead& head) {
  std::string out = head.method;
  out += ' ';
  out += head.target;
  out += head.version == 10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n";
  append_fields(out, head.headers);
  return out;
}

std::string chunk_head(std::size_t size) { return fmt::format("{:x}\r\n", size); }

}  // namespace rivera::net
