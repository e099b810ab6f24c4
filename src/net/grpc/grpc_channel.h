// A gRPC channel that finds another server when its own has fallen silent.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

namespace grpc {
class Channel;
}

namespace rivera::net {

// gRPC connects again when a connection breaks; while a server merely does not answer (it was stopped, or its machine
// vanished) it keeps the connection until its pings time out, half a minute later. Callers report here how their calls
// end; after two without an answer, with at most one that was answered between them, this makes a new channel, which
// resolves the name and connects again: a channel that uses all addresses of a name in turn abandons a silent
// one in this way, since no new connection to that one ever becomes ready.
// Calls under way keep the channel they began on. May be used from any thread.
class GrpcChannel {
 public:
  using Make = std::function<std::shared_ptr<grpc::Channel>()>;
  explicit GrpcChannel(Make make) : make_(std::move(make)), channel_(make_()) {}

  std::shared_ptr<grpc::Channel> get() const;
  // A call on `used` was answered, with success or an error.
  void answered(const std::shared_ptr<grpc::Channel>& used);
  // A call on `used` reached its deadline without an answer.
  void unanswered(const std::shared_ptr<grpc::Channel>& used);

 private:
  mutable std::mutex mutex_;
  Make make_;
  std::shared_ptr<grpc::Channel> channel_;
  int doubt_ = 0;  // of channel_: two for each call without an answer, less one for each that was answered
};

}  // namespace rivera::net
