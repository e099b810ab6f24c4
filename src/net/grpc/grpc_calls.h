// gRPC calls that complete on threads of gRPC's own, as coroutines. For .cc files only.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/prefer.hpp>
#include <grpcpp/grpcpp.h>

#include "base/asio.h"
#include "base/work/cancellation.h"

namespace rivera::net {

// One unary call: what gRPC needs to stay in place until it is done.
template <typename Request, typename Response>
struct GrpcCall {
  grpc::ClientContext context;
  Request request;
  Response response;
};

// The calls of one channel that gRPC has not answered yet. Completions are posted to executors that the program takes
// down at its end, so shut_down() comes before: it cancels every call and waits until the last one has been posted.
// May be used from any thread.
class GrpcCalls {
 public:
  // Starts a call by `start(call, done)`, where `done(grpc::Status)` ends it, and gives its status. Resumes on the
  // caller's executor; cancelling the caller cancels the call and throws operation_aborted.
  template <typename Call, typename Start>
  asio::awaitable<grpc::Status> run(std::shared_ptr<Call> call, Start start);

  void shut_down();

 private:
  using Owner = std::shared_ptr<void>;  // what keeps a call alive

  bool add(grpc::ClientContext* context, Owner owner);  // false: shut down
  // When gRPC has ended a call: its owner is taken here and given up on the caller's executor. It must not run on
  // gRPC's own thread: if it were the last to hold the channel, that thread would wait for its own end.
  Owner take(grpc::ClientContext* context);
  // The last action for a call on gRPC's thread.
  void forget();

  std::mutex mutex_;
  std::condition_variable emptied_;
  std::unordered_map<grpc::ClientContext*, Owner> running_;
  std::size_t unfinished_ = 0;  // running, or being posted
  bool is_shut_down_ = false;
};

template <typename Call, typename Start>
asio::awaitable<grpc::Status> GrpcCalls::run(std::shared_ptr<Call> call, Start start) {
  if (!add(&call->context, call)) base::throw_cancellation();
  auto initiate = [this, call, &start](auto handler) {
    auto executor = asio::prefer(asio::get_associated_executor(handler), asio::execution::outstanding_work.tracked);
    if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) {
      slot.assign([call](asio::cancellation_type) { call->context.TryCancel(); });
    }
    // std::function needs a copyable target.
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    start(*call, [this, context = &call->context, shared, executor](grpc::Status status) mutable {
      asio::post(executor, [owner = take(context), shared = std::move(shared), status = std::move(status)]() mutable {
        if (auto slot = asio::get_associated_cancellation_slot(*shared); slot.is_connected()) slot.clear();
        auto handler_now = std::move(*shared);
        shared.reset();
        std::move(handler_now)(std::move(status));
      });
      executor = {};
      forget();
    });
  };
  auto status =
      co_await asio::async_initiate<const asio::use_awaitable_t<>, void(grpc::Status)>(initiate, asio::use_awaitable);
  const auto state = co_await asio::this_coro::cancellation_state;
  if (base::is_cancelled(state)) base::throw_cancellation();
  co_return status;
}

}  // namespace rivera::net
