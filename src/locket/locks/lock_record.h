// What Locket knows of one lock or presence, and the errors it answers with.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace rivera::locket {

constexpr std::string_view kLockType = "lock";
constexpr std::string_view kPresenceType = "presence";

// A row of the table `locks` (docs/spec/locket-and-auction.md §1.6).
struct LockRecord {
  std::string key = {};
  std::string owner = {};  // "" = free (old data only)
  std::string value = {};
  std::string type = {};            // kLockType or kPresenceType; others may be stored by others
  std::int64_t modified_index = 0;  // counts every Lock
  std::string modified_id = {};     // made with the row: tells a lock from its successor under the same key
  std::int64_t ttl_seconds = 0;
};

// gRPC's status codes, those that Locket uses.
enum class RpcCode : int {
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kResourceExhausted = 8,
  kUnavailable = 14,
};

// What a call is refused with.
class RpcError : public std::runtime_error {
 public:
  RpcError(RpcCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  RpcCode code() const { return code_; }

 private:
  RpcCode code_;
};

}  // namespace rivera::locket
