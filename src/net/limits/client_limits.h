// How long the clients of a server may take: one rule for every server of ours.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/config/config.h"

namespace rivera::net {

// All above zero.
struct ClientLimits {
  std::chrono::nanoseconds handshake = std::chrono::seconds(10);  // of TLS, from the connection on
  std::chrono::nanoseconds head = std::chrono::seconds(30);       // from a request's first byte to the end of its head
  // For a body that is read as a whole. One that is handled as it comes may make the server wait so long in all, and a
  // second longer for each 16 KiB.
  std::chrono::nanoseconds body = std::chrono::seconds(60);
  std::chrono::nanoseconds transfer = std::chrono::hours(1);  // for a body that is handled as it comes, in any case
  // For each wait until the client takes more of a response. All responses on a connection together may make the server
  // wait so long, and a second longer for each 16 KiB.
  std::chrono::nanoseconds write = std::chrono::seconds(60);
  std::chrono::nanoseconds idle = std::chrono::minutes(5);  // between requests
};

// The section "client_limits" of a server's configuration, a key of ours: "handshake_timeout", "head_timeout",
// "body_timeout", "transfer_timeout", "write_timeout", "idle_timeout", all durations.
base::ConfigKey client_limits_key(const ClientLimits& defaults = {});
ClientLimits read_client_limits(const base::ConfigFile& file);

// What one side of a transfer has left of the time that the other side may make it wait: never more than `grace`. It
// runs out while the other side is slower than 16 KiB a second, and grows again while that is faster: a pause is
// allowed, trickling is not. The time that this side spends between two waits does not count.
class Pace {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  static constexpr std::int64_t kBytesPerSecond = 16384;

  explicit Pace(std::chrono::nanoseconds grace) : grace_(grace), left_(grace) {}

  // A wait begins. Returns when it has to have ended, `bytes` transferred.
  Instant begin(Instant now, std::size_t bytes = 0) {
    began_ = now;
    return now + left_ + time_for(bytes);
  }
  // It has ended: so much was transferred.
  void end(Instant now, std::size_t bytes) { left_ = std::min(grace_, left_ + time_for(bytes) - (now - began_)); }

 private:
  static std::chrono::nanoseconds time_for(std::size_t bytes) {
    return std::chrono::seconds(bytes / kBytesPerSecond) +
           std::chrono::nanoseconds(std::chrono::seconds(1)) * (bytes % kBytesPerSecond) / kBytesPerSecond;
  }

  std::chrono::nanoseconds grace_;
  std::chrono::nanoseconds left_;
  Instant began_{};
};

}  // namespace rivera::net
