#include "net/grpc_calls.h"

namespace rivera::net {

bool GrpcCalls::add(grpc::ClientContext* context, std::shared_ptr<void> owner) {
  const std::lock_guard lock(mutex_);
  if (is_shut_down_) return false;
  running_.emplace(context, std::move(owner));
  return true;
}

void GrpcCalls::remove(grpc::ClientContext* context) {
  const std::lock_guard lock(mutex_);
  running_.erase(context);  // the caller holds the call, too: nothing is destroyed here
  emptied_.notify_all();
}

void GrpcCalls::shut_down() {
  std::unique_lock lock(mutex_);
  is_shut_down_ = true;
  const auto running = running_;
  lock.unlock();  // a cancelled call may complete on this very thread
  for (const auto& [context, owner] : running) context->TryCancel();
  lock.lock();
  emptied_.wait(lock, [this] { return running_.empty(); });
}

}  // namespace rivera::net
