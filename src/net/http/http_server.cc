#include "net/http/http_server.h"

#include <sys/stat.h>
#include <unistd.h>
#include <unordered_map>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>
#include <fmt/format.h>

#include "base/failure.h"
#include "base/log/end_process.h"
#include "base/log/log_unexpected.h"
#include "base/work/wait.h"
#include "net/http/http_connection.h"
#include "net/http/http_listener.h"

namespace rivera::net {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(100);  // for connections that have become idle

}  // namespace

// Owns the listener and, by id, the connections; everything here happens on `home_`. A connection runs on its own
// strand.
class HttpServer::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, HttpServerOptions options, HttpHandler handler, base::Logger logger)
      : executor_(std::move(executor)),
        home_(asio::make_strand(executor_)),
        settings_(std::make_shared<ConnectionSettings>(
            ConnectionSettings{std::move(options), std::move(handler), logger, {}})),
        logger_(std::move(logger)),
        listener_(home_),
        changed_(home_) {
    settings_->heads = std::make_shared<HeadBudget>(settings_->options.heads_limit);
  }

  void listen() { listener_.listen(settings_->options.address, settings_->options.unix_mode); }
  std::string address() const { return listener_.address(); }

  void start() {
    asio::co_spawn(home_, accept_loop(shared_from_this()), [logger = logger_](std::exception_ptr unexpected) {
      if (unexpected) base::end_process(logger, "accept-loop.failed", base::describe_failure(unexpected));
    });
  }

  asio::awaitable<void> stop(std::shared_ptr<Impl> self, std::chrono::nanoseconds grace) {
    co_await asio::co_spawn(home_, stop_at_home(std::move(self), grace), asio::use_awaitable);
  }

  // From the destructor of HttpServer: nothing is awaited.
  void abandon() {
    asio::dispatch(home_, [self = shared_from_this()] {
      self->stopping_ = true;
      self->listener_.close();
      self->abort_all();
      self->changed_.notify_all();
    });
  }

 private:
  asio::awaitable<void> accept_loop(std::shared_ptr<Impl> /*keeps us alive*/) {
    while (!stopping_) {
      auto strand = asio::make_strand(executor_);
      error_code ec;
      auto socket = co_await listener_.accept(strand, ec);
      if (stopping_) co_return;
      if (ec) {
        logger_.error("accept-failed", {{"error", ec.message()}});
        co_await base::sleep_for(std::chrono::milliseconds(100));  // out of descriptors: let some be closed
        continue;
      }
      adopt(std::move(socket), strand);
      co_await make_room();
    }
  }

  // Waits while there are too many connections.
  asio::awaitable<void> make_room() {
    const std::size_t most = settings_->options.max_connections;
    while (connections_.size() > most && !stopping_) {
      std::vector<IdleConnection> idle;
      for (const auto& [id, connection] : connections_) {
        if (const auto since = connection->waiting_since()) idle.push_back({*since, id});
      }
      for (const std::uint64_t id : longest_idle(std::move(idle), most)) {
        const auto& connection = connections_.at(id);
        connection->end_if_waiting(connection);
      }
      co_await changed_.wait_for(kLookAgain);
    }
  }

  void adopt(AcceptedSocket socket, asio::any_io_executor strand) {
    const std::uint64_t id = next_id_++;
    auto connection = std::make_shared<HttpConnection>(strand, settings_);
    connections_.emplace(id, connection);
    asio::co_spawn(strand, connection->serve(connection, std::move(socket)),
                   asio::bind_cancellation_slot(connection->cancellation_slot(),
                                                [self = shared_from_this(), id](std::exception_ptr failure) {
                                                  base::log_unexpected(self->logger_, "connection.failed", failure);
                                                  asio::post(self->home_, [self, id] {
                                                    self->connections_.erase(id);
                                                    self->changed_.notify_all();
                                                  });
                                                }));
  }

  asio::awaitable<void> stop_at_home(std::shared_ptr<Impl> /*keeps us alive*/, std::chrono::nanoseconds grace) {
    stopping_ = true;
    listener_.close();
    for (auto& [id, connection] : connections_) connection->finish_soon(connection);
    const bool done = co_await wait_until_empty(grace);
    if (done) co_return;
    abort_all();
    co_await wait_until_empty(std::chrono::seconds(5));
  }

  asio::awaitable<bool> wait_until_empty(std::chrono::nanoseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!connections_.empty()) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left.count() <= 0) co_return false;
      co_await changed_.wait_for(left);
    }
    co_return true;
  }

  void abort_all() {
    for (auto& [id, connection] : connections_) connection->abort(connection);
  }

  asio::any_io_executor executor_;
  asio::any_io_executor home_;
  std::shared_ptr<ConnectionSettings> settings_;
  base::Logger logger_;
  HttpListener listener_;
  base::Condition changed_;
  std::unordered_map<std::uint64_t, std::shared_ptr<HttpConnection>> connections_;
  std::uint64_t next_id_ = 0;
  bool stopping_ = false;
};

HttpServer::HttpServer(asio::any_io_executor executor, HttpServerOptions options, HttpHandler handler,
                       base::Logger logger)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), std::move(handler), std::move(logger))) {}

HttpServer::~HttpServer() { impl_->abandon(); }
void HttpServer::listen() { impl_->listen(); }
void HttpServer::start() { impl_->start(); }
std::string HttpServer::address() const { return impl_->address(); }
asio::awaitable<void> HttpServer::stop(std::chrono::nanoseconds grace) { return impl_->stop(impl_, grace); }

}  // namespace rivera::net
