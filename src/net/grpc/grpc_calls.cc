#include "net/grpc/grpc_calls.h"

namespace rivera::net {

bool GrpcCalls::add(grpc::ClientContext* context, Owner owner) {
  const std::lock_guard lock(mutex_);
  if (is_shut_down_) return false;
  running_.emplace(context, std::move(owner));
  ++unfinished_;
  return true;
}

GrpcCalls::Owner GrpcCalls::take(grpc::ClientContext* context) {
  const std::lock_guard lock(mutex_);
  auto taken = running_.extract(context);
  return std::move(taken.mapped());
}

void GrpcCalls::forget() {
  const std::lock_guard lock(mutex_);
  --unfinished_;
  emptied_.notify_all();
}

void GrpcCalls::shut_down() {
  std::unique_lock lock(mutex_);
  is_shut_down_ = true;
  const auto running = running_;
  lock.unlock();  // a cancelled call may complete on this very thread
  for (const auto& [context, owner] : running) context->TryCancel();
  lock.lock();
  emptied_.wait(lock, [this] { return unfinished_ == 0; });
}

}  // namespace rivera::net
