// A lock or presence, and the errors of Locket's calls.
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
  std::string type = {};            // kLockType or kPresenceType; other components may store other types
  std::int64_t modified_index = 0;  // incremented by every Lock
  std::string modified_id = {};     // created with the row: distinguishes a lock from its successor under the same key
  std::int64_t ttl_seconds = 0;
};

// The gRPC status codes that Locket uses.
enum class RpcCode : int {
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kUnavailable = 14,
};

// The error status of a call.
class RpcError : public std::runtime_error {
 public:
  RpcError(RpcCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  RpcCode code() const { return code_; }

 private:
  RpcCode code_;
};

}  // namespace rivera::locket
