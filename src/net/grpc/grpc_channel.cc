#include "net/grpc/grpc_channel.h"

#include <cstdlib>
#include <utility>

#include <grpcpp/grpcpp.h>

namespace rivera::net {
namespace {

constexpr int kDoubtOfUnanswered = 2;
constexpr int kMostDoubt = 3;

// gRPC's own resolver asks name servers for what the hosts file does not have, also where that file has an address of
// the other family: with a name server that does not answer, a channel to a known name takes seconds, and one that is
// made again after each silent call never gets there. For the C library's resolver the file suffices. Read by gRPC
// when it starts, so it is set before main() and its threads.
[[maybe_unused]] const int kResolverIsChosen = ::setenv("GRPC_DNS_RESOLVER", "native", 0);

}  // namespace

std::shared_ptr<grpc::Channel> GrpcChannel::get() const {
  const std::lock_guard lock(mutex_);
  return channel_;
}

void GrpcChannel::answered(const std::shared_ptr<grpc::Channel>& used) {
  const std::lock_guard lock(mutex_);
  if (used == channel_ && doubt_ > 0) --doubt_;
}

void GrpcChannel::unanswered(const std::shared_ptr<grpc::Channel>& used) {
  std::shared_ptr<grpc::Channel> old;  // declared first: goes after the mutex is free
  const std::lock_guard lock(mutex_);
  if (used != channel_) return;
  doubt_ += kDoubtOfUnanswered;
  if (doubt_ < kMostDoubt) return;
  old = std::exchange(channel_, make_());
  doubt_ = 0;
}

}  // namespace rivera::net
