#include "net/grpc/grpc_server.h"

#include <unordered_map>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>

#include "base/failure.h"
#include "base/log/end_process.h"
#include "base/log/log_unexpected.h"
#include "net/grpc/grpc_connection.h"
#include "net/http/http_listener.h"

namespace rivera::net {
namespace {

constexpr auto kAcceptPause = std::chrono::milliseconds(100);  // out of descriptors, or of connections

}  // namespace

class GrpcServer::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, GrpcServerOptions options, GrpcHandler handler, base::Logger logger)
      : executor_(executor),
        shared_(std::make_shared<GrpcShared>(std::move(options), std::move(handler), std::move(logger))),
        listener_(executor),
        changed_(executor) {}

  void start() {
    listener_.listen(shared_->options.address);
    asio::co_spawn(executor_, accept_loop(shared_from_this()), [logger = shared_->logger](std::exception_ptr failure) {
      if (failure) base::end_process(logger, "accept-loop.failed", base::describe_failure(failure));
    });
  }

  std::string address() const { return listener_.address(); }

  asio::awaitable<void> stop(std::shared_ptr<Impl> /*keeps us alive*/, std::chrono::nanoseconds grace) {
    is_stopping_ = true;
    listener_.close();
    for (const auto& connection : all()) connection->finish();
    const bool is_done = co_await wait_until_empty(grace);
    if (is_done) co_return;
    abandon();
    co_await wait_until_empty(std::chrono::seconds(5));
  }

  void abandon() {
    is_stopping_ = true;
    listener_.close();
    for (const auto& connection : all()) connection->abort();
    changed_.notify_all();
  }

 private:
  using Connection = std::shared_ptr<GrpcConnection>;

  // A copy: one that ends leaves the table.
  std::vector<Connection> all() const {
    std::vector<Connection> out;
    for (const auto& [id, connection] : connections_) out.push_back(connection);
    return out;
  }

  asio::awaitable<void> accept_loop(std::shared_ptr<Impl> /*keeps us alive*/) {
    while (!is_stopping_) {
      error_code ec;
      auto socket = co_await listener_.accept(executor_, ec);
      if (is_stopping_) co_return;
      if (ec) {
        shared_->logger.error("accept-failed", {{"error", ec.message()}});
        co_await base::sleep_for(kAcceptPause);
        continue;
      }
      adopt(std::get<TcpSocket>(std::move(socket)));
      co_await make_room();
    }
  }

  // Waits while there are too many connections; those without calls give way.
  asio::awaitable<void> make_room() {
    const std::size_t most = shared_->options.max_connections;
    while (connections_.size() > most && !is_stopping_) {
      std::vector<IdleConnection> idle;
      for (const auto& [id, connection] : connections_) {
        if (const auto since = connection->idle_since()) idle.push_back({*since, id});
      }
      for (const std::uint64_t id : longest_idle(std::move(idle), most)) {
        const auto found = connections_.find(id);
        if (found == connections_.end()) continue;
        const Connection connection = found->second;
        connection->abort();
      }
      co_await changed_.wait_for(kAcceptPause);
    }
  }

  void adopt(TcpSocket socket) {
    error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    const std::uint64_t id = next_id_++;
    auto connection = std::make_shared<GrpcConnection>(executor_, shared_);
    connections_.emplace(id, connection);
    asio::co_spawn(executor_, connection->serve(connection, std::move(socket)),
                   asio::bind_cancellation_slot(
                       connection->cancellation_slot(), [self = shared_from_this(), id](std::exception_ptr failure) {
                         base::log_unexpected(self->shared_->logger, "connection.failed", failure);
                         self->connections_.erase(id);
                         self->changed_.notify_all();
                       }));
  }

  asio::awaitable<bool> wait_until_empty(std::chrono::nanoseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!connections_.empty() || shared_->running > 0) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left.count() <= 0) co_return false;
      co_await changed_.wait_for(std::min<std::chrono::nanoseconds>(left, kAcceptPause));
    }
    co_return true;
  }

  asio::any_io_executor executor_;
  std::shared_ptr<GrpcShared> shared_;
  HttpListener listener_;
  base::Condition changed_;
  std::unordered_map<std::uint64_t, Connection> connections_;
  std::uint64_t next_id_ = 0;
  bool is_stopping_ = false;
};

GrpcServer::GrpcServer(asio::any_io_executor executor, GrpcServerOptions options, GrpcHandler handler,
                       base::Logger logger)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), std::move(handler), std::move(logger))) {}

GrpcServer::~GrpcServer() { impl_->abandon(); }
void GrpcServer::start() { impl_->start(); }
std::string GrpcServer::address() const { return impl_->address(); }
asio::awaitable<void> GrpcServer::stop(std::chrono::nanoseconds grace) { return impl_->stop(impl_, grace); }

}  // namespace rivera::net
