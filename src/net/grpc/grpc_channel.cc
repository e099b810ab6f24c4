#include "net/grpc/grpc_channel.h"

#include <utility>

#include <grpcpp/grpcpp.h>

namespace rivera::net {
namespace {

constexpr int kUnansweredInARow = 2;

}  // namespace

std::shared_ptr<grpc::Channel> GrpcChannel::get() const {
  const std::lock_guard lock(mutex_);
  return channel_;
}

void GrpcChannel::answered(const std::shared_ptr<grpc::Channel>& used) {
  const std::lock_guard lock(mutex_);
  if (used == channel_) unanswered_ = 0;
}

void GrpcChannel::unanswered(const std::shared_ptr<grpc::Channel>& used) {
  std::shared_ptr<grpc::Channel> old;  // declared first: goes after the mutex is free
  const std::lock_guard lock(mutex_);
  if (used != channel_ || ++unanswered_ < kUnansweredInARow) return;
  old = std::exchange(channel_, make_());
  unanswered_ = 0;
}

}  // namespace rivera::net
