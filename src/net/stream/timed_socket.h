// A socket whose waits are limited. For .cc files: it brings Asio's sockets with it.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <span>
#include <string_view>
#include <sys/socket.h>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/asio.h"
#include "base/work/cancellation.h"

namespace rivera::net {

// Reads and writes are limited independently, by one timer that is set again only when it fires or is too late: waits
// that end in time, nearly all, cost no call for their limit. Sending does not suspend while the kernel takes the
// bytes. Used on the socket's executor, by one reader at a time. Failures are boost::system::system_error; those of a
// limit are asio::error::timed_out.
template <typename Socket>
class TimedSocket : public std::enable_shared_from_this<TimedSocket<Socket>> {
 public:
  explicit TimedSocket(Socket socket) : socket_(std::move(socket)), timer_(socket_.get_executor()) {}

  Socket& native() { return socket_; }
  const Socket& native() const { return socket_; }

  // For each wait that begins from now on; zero: none.
  void limit_waits(std::chrono::nanoseconds limit) { limit_ = limit; }
  // For all waits that begin from now on; Instant::max(): none.
  using Instant = std::chrono::steady_clock::time_point;
  void limit_whole(Instant end) { end_ = end; }

  // What send() has given to the kernel so far.
  std::uint64_t bytes_sent() const { return bytes_sent_; }

  // At least one byte, or 0 at the end of the stream.
  asio::awaitable<std::size_t> receive(std::span<char> into) {
    Wait wait(*this, kReading);
    if (wait.is_late()) throw boost::system::system_error(asio::error::timed_out);
    for (;;) {
      error_code ec;
      std::size_t n = 0;
      n = co_await socket_.async_read_some(asio::buffer(into.data(), into.size()),
                                           asio::redirect_error(asio::use_awaitable, ec));
      if (!ec) co_return n;
      if (ec == asio::error::eof) co_return 0;
      if (!wait.was_anothers(ec)) raise(wait, ec);
    }
  }

  // What the kernel takes of `bytes` without waiting; 0 if it takes none.
  std::size_t send(std::string_view bytes) {
    for (;;) {
      const ssize_t sent = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) {
        bytes_sent_ += static_cast<std::uint64_t>(sent);
        return static_cast<std::size_t>(sent);
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
      if (errno != EINTR) throw boost::system::system_error(errno, boost::system::system_category());
    }
  }

  // Until send() takes something again.
  asio::awaitable<void> wait_writable() {
    Wait wait(*this, kWriting);
    if (wait.is_late()) throw boost::system::system_error(asio::error::timed_out);
    for (;;) {
      error_code ec;
      co_await socket_.async_wait(Socket::wait_write, asio::redirect_error(asio::use_awaitable, ec));
      if (!ec) co_return;
      if (!wait.was_anothers(ec)) raise(wait, ec);
    }
  }

  // Pending operations fail.
  void close() {
    error_code ignored;
    socket_.close(ignored);
    timer_.cancel();
  }

 private:
  enum Direction { kReading, kWriting };

  // One wait: its deadline applies while this object lives.
  class Wait {
   public:
    Wait(TimedSocket& socket, Direction direction)
        : socket_(socket), direction_(direction), cancels_before_(socket.cancels_) {
      socket_.expired_[direction] = false;
      Instant deadline = socket_.end_;
      if (deadline != Instant::max() || socket_.limit_.count() > 0) {
        const Instant now = std::chrono::steady_clock::now();
        is_late_ = deadline <= now;
        if (socket_.limit_.count() > 0) deadline = std::min(deadline, now + socket_.limit_);
      }
      socket_.deadlines_[direction] = deadline;
      socket_.arm(deadline);
    }
    ~Wait() { socket_.deadlines_[direction_] = Instant::max(); }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

    bool has_expired() const { return socket_.expired_[direction_]; }
    // The whole's end had passed when the wait began.
    bool is_late() const { return is_late_; }
    // Cancelled only because the other direction's wait was: it is to be continued, with the deadline that it has.
    bool was_anothers(const error_code& ec) {
      const auto before = std::exchange(cancels_before_, socket_.cancels_);
      return base::is_cancellation(ec) && !has_expired() && socket_.cancels_ != before;
    }

   private:
    TimedSocket& socket_;
    const Direction direction_;
    std::uint64_t cancels_before_;
    bool is_late_ = false;
  };

  [[noreturn]] static void raise(const Wait& wait, const error_code& ec) {
    throw boost::system::system_error(wait.has_expired() ? error_code(asio::error::timed_out) : ec);
  }

  void arm(Instant deadline) {
    if (deadline >= timer_at_) return;
    timer_at_ = deadline;
    timer_.expires_at(deadline);
    timer_.async_wait([weak = this->weak_from_this()](const error_code& ec) {
      const auto self = weak.lock();
      if (self && !ec) self->look_at_deadlines();
    });
  }

  void look_at_deadlines() {
    timer_at_ = Instant::max();
    const Instant now = std::chrono::steady_clock::now();
    bool any = false;
    for (const Direction direction : {kReading, kWriting}) {
      if (deadlines_[direction] > now) continue;
      deadlines_[direction] = Instant::max();
      expired_[direction] = any = true;
    }
    if (any) {
      ++cancels_;
      error_code ignored;
      socket_.cancel(ignored);
    }
    arm(std::min(deadlines_[kReading], deadlines_[kWriting]));
  }

  Socket socket_;
  std::chrono::nanoseconds limit_{0};
  Instant end_ = Instant::max();
  std::array<Instant, 2> deadlines_{Instant::max(), Instant::max()};
  std::array<bool, 2> expired_{};
  std::uint64_t cancels_ = 0;
  std::uint64_t bytes_sent_ = 0;
  asio::steady_timer timer_;
  Instant timer_at_ = Instant::max();  // when it fires; max: not at all
};

}  // namespace rivera::net
