#include "net/grpc/grpc_connection.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "base/failure.h"
#include "base/units.h"

namespace rivera::net {
namespace {

using std::chrono::seconds;

constexpr std::size_t kReadAtOnce = 4 * base::kKibibyte;
constexpr std::size_t kWriteAtOnce = 64 * base::kKibibyte;
constexpr seconds kWatchInterval{1};
// A client that has vanished is found by pings; one that lives sends its own, or answers ours.
constexpr seconds kPingAfter{60};
constexpr seconds kGoneAfter{80};
constexpr seconds kFarewell{2};  // for the client to close a connection that has been finished

}  // namespace

GrpcConnection::GrpcConnection(asio::any_io_executor executor, std::shared_ptr<GrpcShared> shared)
    : executor_(executor), shared_(std::move(shared)), changed_(executor), pace_(shared_->options.limits.write) {
  last_busy_ = std::chrono::steady_clock::now();
}

asio::awaitable<void> GrpcConnection::serve(std::shared_ptr<GrpcConnection> self, TcpSocket socket) {
  const auto& options = shared_->options;
  const auto greeted_by = std::chrono::steady_clock::now() + options.limits.handshake;
  stream_ = co_await accept_tls(std::move(socket), options.tls, options.limits.handshake);
  stream_->set_deadline(greeted_by);
  Caller caller = options.access.identify(*stream_);
  session_ = std::make_unique<GrpcSession>(
      *shared_, std::move(caller),
      [this](std::int32_t id, std::shared_ptr<GrpcServerCall> call) { begin_call(id, std::move(call)); });
  last_heard_ = std::chrono::steady_clock::now();
  if (is_finishing_) session_->go_away();
  asio::co_spawn(executor_, write(self), asio::detached);
  asio::co_spawn(executor_, watch(self), asio::detached);
  try {
    co_await read();
  } catch (const boost::system::system_error&) {  // the client has left, or was closed
  }
  close();
  has_ended_ = true;
  session_.reset();
  changed_.notify_all();
}

asio::awaitable<void> GrpcConnection::read() {
  const auto buffer = std::make_unique<char[]>(kReadAtOnce);
  bool is_greeted = false;
  for (;;) {
    const std::size_t size = co_await stream_->read_some({buffer.get(), kReadAtOnce});
    if (size == 0) co_return;
    last_heard_ = std::chrono::steady_clock::now();
    has_pinged_ = false;
    const bool goes_on = session_->receive({buffer.get(), size});
    if (!is_greeted && session_->is_greeted()) {
      is_greeted = true;
      stream_->set_deadline(Instant::max());
    }
    changed_.notify_all();
    if (!goes_on) {
      is_broken_ = true;
      while (!has_written_) co_await changed_.wait();  // the reason
      co_return;
    }
    while (session_->is_clogged() && !is_closed_) co_await changed_.wait();
    co_await asio::post(executor_, asio::use_awaitable);  // others' turn
  }
}

asio::awaitable<void> GrpcConnection::write(std::shared_ptr<GrpcConnection> /*keeps us alive*/) {
  try {
    co_await write_all();
  } catch (const std::exception&) {  // the client has left, or was closed
    close();
  }
  has_written_ = true;
  changed_.notify_all();
}

asio::awaitable<void> GrpcConnection::write_all() {
  while (!has_ended_ && !is_closed_) {
    const std::string bytes = session_->take_output(kWriteAtOnce);
    const auto now = std::chrono::steady_clock::now();
    if (!bytes.empty()) {
      write_end_ = pace_.begin(now, bytes.size());
      co_await stream_->write(bytes);
      pace_.end(std::chrono::steady_clock::now(), bytes.size());
      write_end_ = Instant::max();
      changed_.notify_all();
      continue;
    }
    if (is_broken_) co_return;
    if (session_->is_over() || (is_finishing_ && !session_->has_streams())) {
      write_end_ = now + kFarewell;
      co_await stream_->shutdown_write();
      co_return;
    }
    // What is left waits for the client to take it.
    const bool is_held_up = session_->has_unsent();
    if (is_held_up) write_end_ = pace_.begin(now);
    co_await changed_.wait();
    if (is_held_up) pace_.end(std::chrono::steady_clock::now(), 0);
    write_end_ = Instant::max();
  }
}

asio::awaitable<void> GrpcConnection::watch(std::shared_ptr<GrpcConnection> /*keeps us alive*/) {
  while (!has_ended_) {
    const auto now = std::chrono::steady_clock::now();
    if (session_->has_streams()) last_busy_ = now;
    bool has_news = session_->end_incomplete(now - shared_->options.limits.body);
    if (now > write_end_ || now - last_heard_ > kGoneAfter) {
      close();
      co_return;
    }
    if (now - last_heard_ > kPingAfter && !has_pinged_) {
      has_pinged_ = true;
      session_->ping();
      has_news = true;
    }
    if (has_news) changed_.notify_all();
    const auto next = now + kWatchInterval;
    for (auto left = next - now; left.count() > 0 && !has_ended_; left = next - std::chrono::steady_clock::now()) {
      co_await changed_.wait_for(left);
    }
  }
}

void GrpcConnection::begin_call(std::int32_t stream, std::shared_ptr<GrpcServerCall> call) {
  // Those that the client has abandoned count as long as they run: one client must not take all there is.
  if (running_ >= shared_->options.calls_of_connection) {
    GrpcReply refusal{.code = static_cast<int>(GrpcCode::kResourceExhausted), .text = "too many requests at once"};
    session_->answer(stream, std::move(refusal));
    return;
  }
  ++running_;
  ++shared_->running;
  asio::co_spawn(executor_, run_call(shared_from_this(), stream, std::move(call)), asio::detached);
}

asio::awaitable<void> GrpcConnection::run_call(std::shared_ptr<GrpcConnection> /*keeps us alive*/, std::int32_t stream,
                                               std::shared_ptr<GrpcServerCall> call) {
  GrpcReply reply;
  try {
    auto work = shared_->handler(call);
    reply = co_await std::move(work);
  } catch (const std::exception& e) {  // every call is answered, or its client waits for its deadline
    shared_->logger.error("request-failed", {{"path", call->path}, {"error", e.what()}});
    reply = {.code = static_cast<int>(GrpcCode::kInternal), .text = "internal error"};
  }
  --running_;
  --shared_->running;
  if (has_ended_) co_return;
  if (call->is_late()) reply = {.code = static_cast<int>(GrpcCode::kDeadlineExceeded), .text = "Deadline Exceeded"};
  session_->answer(stream, std::move(reply));
  changed_.notify_all();
}

void GrpcConnection::close() {
  is_closed_ = true;
  if (!has_ended_) stream_->close();
  changed_.notify_all();
}

void GrpcConnection::finish() {
  is_finishing_ = true;
  if (session_) session_->go_away();
  if (!session_ && !has_ended_) cancel_.emit(asio::cancellation_type::terminal);
  changed_.notify_all();
}

void GrpcConnection::abort() {
  if (session_) {
    close();
  } else if (!has_ended_) {
    cancel_.emit(asio::cancellation_type::terminal);
  }
}

std::optional<GrpcConnection::Instant> GrpcConnection::idle_since() const {
  if (session_ && session_->has_streams()) return std::nullopt;
  return last_busy_;
}

}  // namespace rivera::net
