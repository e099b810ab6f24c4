#include "net/http1/http1_reader.h"

#include <algorithm>
#include <cstring>

#include <boost/asio/error.hpp>

#include "base/units.h"

namespace rivera::net {
namespace {

constexpr std::size_t kFirstCapacity = 4 * base::kKibibyte;
constexpr std::size_t kUsualHead = 8 * base::kKibibyte;
constexpr std::size_t kBodyCapacity = 64 * base::kKibibyte;
constexpr std::size_t kReadAheadLimit = 64 * base::kKibibyte;
constexpr std::size_t kWorthReadingInPlace = 8 * base::kKibibyte;
constexpr std::uint64_t kMostReserved = 16u << 20;  // for a length that was announced only

}  // namespace

// Makes room and reads once; false at the end of the stream.
asio::awaitable<bool> Http1Reader::fill(Stream& stream) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ == capacity_) {
    const std::size_t used = end_ - begin_;
    // What is unread moves to the front; a buffer that is full of it grows.
    const std::size_t wanted = std::max(kFirstCapacity, used * 2 > capacity_ ? capacity_ * 2 : capacity_);
    std::unique_ptr<char[]> bigger(new char[wanted]);
    if (used > 0) std::memcpy(bigger.get(), buffer_.get() + begin_, used);
    buffer_ = std::move(bigger);
    capacity_ = wanted;
    begin_ = 0;
    end_ = used;
  }
  const std::size_t n = co_await stream.read_some(std::span<char>(buffer_.get() + end_, capacity_ - end_));
  end_ += n;
  co_return n > 0;
}

// The same for a body, with a larger buffer where it pays. Throws eof where the body is cut short; false at its end.
asio::awaitable<bool> Http1Reader::fill_body(Stream& stream) {
  const bool is_small = body_.data_ahead() > 0 && body_.data_ahead() <= capacity_;
  if (capacity_ < kBodyCapacity && begin_ == end_ && !is_small) {
    buffer_.reset(new char[kBodyCapacity]);
    capacity_ = kBodyCapacity;
    begin_ = end_ = 0;
  }
  const bool more = co_await fill(stream);
  if (more) co_return true;
  if (!body_.end_of_stream()) throw boost::system::system_error(asio::error::eof);
  co_return false;
}

asio::awaitable<bool> Http1Reader::wait_for_input(Stream& stream) {
  if (has_leftover()) co_return true;
  const bool more = co_await fill(stream);
  co_return more;
}

asio::awaitable<bool> Http1Reader::read_head(Stream& stream, std::string& head, std::size_t limit) {
  std::size_t searched = 0;
  for (;;) {
    // Line ends before a head are tolerated: some clients send one too many after a body.
    while (searched == 0 && begin_ < end_ && (buffer_[begin_] == '\r' || buffer_[begin_] == '\n')) ++begin_;
    // A TLS handshake on a plain port, say: whatever follows, it will not become a head.
    if (searched == 0 && begin_ < end_ && !http1_is_token(unread().substr(0, 1))) {
      throw Http1Error("the message does not begin as HTTP/1 does");
    }
    const auto length = http1_head_length(unread(), searched);
    if (length.value_or(end_ - begin_) > limit) refuse_head("the message head is too large");
    if (length) {
      head.assign(unread().substr(0, *length));
      begin_ += *length;
      if (begin_ == end_ && capacity_ > kBodyCapacity) release_buffer();
      reservation_.shrink_to(*length > HeadBudget::kLarge ? *length : 0);
      co_return true;
    }
    searched = end_ - begin_;
    // The buffer grows by doubling.
    if (searched > kUsualHead && !reservation_.grow_to(searched * 2)) refuse_head("too many large message heads");
    const bool more = co_await fill(stream);
    if (!more && searched == 0) co_return false;
    if (!more) throw boost::system::system_error(asio::error::eof);
  }
}

std::string_view Http1Reader::buffered_body() {
  if (!pending_.empty()) return std::exchange(pending_, {});
  std::string_view rest = unread();
  const std::string_view piece = body_.next(rest);
  begin_ = end_ - rest.size();
  return piece;
}

asio::awaitable<std::string_view> Http1Reader::read_body(Stream& stream) {
  for (;;) {
    const std::string_view piece = buffered_body();
    if (!piece.empty() || body_.complete()) co_return piece;
    const bool more = co_await fill_body(stream);
    if (!more) co_return std::string_view();
  }
}

asio::awaitable<std::size_t> Http1Reader::read_some(Stream& stream, std::span<char> into) {
  for (;;) {
    if (pending_.empty()) pending_ = buffered_body();
    if (!pending_.empty()) {
      const std::size_t n = std::min(into.size(), pending_.size());
      std::memcpy(into.data(), pending_.data(), n);
      pending_.remove_prefix(n);
      co_return n;
    }
    if (body_.complete()) co_return 0;
    const std::uint64_t ahead = body_.data_ahead();
    if (ahead < kWorthReadingInPlace || into.size() < kWorthReadingInPlace) {
      const bool more = co_await fill_body(stream);
      if (!more) co_return 0;
      continue;
    }
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(ahead, into.size()));
    const std::size_t n = co_await stream.read_some(into.first(most));
    body_.skip(n);
    if (n == 0 && !body_.end_of_stream()) throw boost::system::system_error(asio::error::eof);
    co_return n;
  }
}

asio::awaitable<bool> Http1Reader::read_whole_body(Stream& stream, std::string& into, std::size_t limit) {
  const std::uint64_t announced = body_.data_ahead();
  if (announced > 0 && announced <= limit) {
    into.reserve(into.size() + static_cast<std::size_t>(std::min(announced, kMostReserved)));
  }
  for (;;) {
    std::string_view piece = buffered_body();
    if (piece.empty() && body_.complete()) co_return true;
    if (piece.empty()) {
      const bool more = co_await fill_body(stream);
      if (!more) co_return true;
      continue;
    }
    if (into.size() + piece.size() > limit) co_return false;
    into += piece;
  }
}

asio::awaitable<bool> Http1Reader::read_ahead(Stream& stream) {
  if (end_ - begin_ >= kReadAheadLimit) co_return false;
  const bool more = co_await fill(stream);
  co_return more;
}

std::string Http1Reader::take_leftover() {
  std::string rest(unread());
  begin_ = end_ = 0;
  return rest;
}

void Http1Reader::refuse_head(const char* why) {
  release_buffer();  // the refusal may take long, and nothing of this is used any more
  reservation_.shrink_to(0);
  throw Http1Error(why, 431);
}

void Http1Reader::release_buffer() {
  buffer_.reset();
  capacity_ = begin_ = end_ = 0;
}

void Http1Reader::shrink() {
  if (begin_ == end_ && capacity_ > kFirstCapacity) release_buffer();
}

void Http1Reader::shrink(std::string& head) {
  shrink();
  if (head.capacity() > kUsualHead) std::string().swap(head);
  reservation_.shrink_to(0);
}

}  // namespace rivera::net
