// A client of Locket's gRPC API (docs/spec/locket-and-auction.md §1).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/asio.h"
#include "net/stream/tls.h"

namespace rivera::base {
class ConfigFile;
struct ConfigKey;
}  // namespace rivera::base

namespace rivera::clients {

enum class LocketType : int { kUnknown = 0, kLock = 1, kPresence = 2 };

// A lock or a presence. `type_name` ("lock", "presence") is what the server stores; leave it empty in requests.
struct LocketResource {
  std::string key = {};
  std::string owner = {};
  std::string value = {};
  LocketType type = LocketType::kLock;
  std::string type_name = {};
};

// The server refused, or did not answer. `code` is the gRPC status code.
class LocketError : public std::runtime_error {
 public:
  LocketError(int code, std::string message);

  int code() const { return code_; }
  // The status' message: "lock-collision".
  const std::string& message() const { return message_; }
  // Another owner holds it.
  bool is_collision() const { return code_ == 6; }
  bool is_not_found() const { return code_ == 5; }
  // No answer came: what was asked may or may not have happened.
  bool is_transport() const { return code_ == 14 || code_ == 4 || code_ == 1; }

 private:
  int code_;
  std::string message_;
};

struct LocketClientOptions {
  std::string address = {};  // "locket.service.cf.internal:8891"
  net::TlsFiles tls = {};    // all three are required
  std::chrono::nanoseconds keepalive_time = std::chrono::seconds(10);
  std::chrono::nanoseconds keepalive_timeout = std::chrono::seconds(22);
  std::chrono::nanoseconds call_timeout = std::chrono::seconds(10);  // of a call that names no other
};

// The keys of the next function, for the tables of components that use Locket.
std::vector<base::ConfigKey> locket_client_keys();

// Reads locket_address, locket_ca_cert_file, locket_client_cert_file, locket_client_key_file,
// locket_client_keepalive_time, locket_client_keepalive_timeout (docs/spec/locket-and-auction.md §1.11).
// Throws base::ConfigError.
LocketClientOptions read_locket_client_options(const base::ConfigFile& config);

// One gRPC channel. Calls are coroutines that resume on their caller's own executor; a cancelled caller is resumed with
// operation_aborted. While the server is away a call waits for it, up to its deadline, trying to connect at least every
// two seconds. Calls go in turn to the Lockets behind the name that a connection could be made to; after two calls
// without an answer the name is resolved and connected to again, so that a Locket that hangs is left for the others.
// Every call throws LocketError. May be used from any executor.
class LocketClient {
 public:
  // Throws std::runtime_error naming a TLS file that cannot be read. Does not connect.
  LocketClient(asio::any_io_executor executor, LocketClientOptions options);
  ~LocketClient();

  // Takes or refreshes: `owner` holds `key` for `ttl` from now. A collision is LocketError::is_collision().
  asio::awaitable<void> lock(LocketResource resource, std::chrono::seconds ttl);
  asio::awaitable<void> lock(LocketResource resource, std::chrono::seconds ttl, std::chrono::nanoseconds timeout);

  // Gives up what `owner` holds; nothing if it is not held.
  asio::awaitable<void> release(LocketResource resource);
  asio::awaitable<void> release(LocketResource resource, std::chrono::nanoseconds timeout);

  // nullopt: it is not held.
  asio::awaitable<std::optional<LocketResource>> fetch(std::string key);

  // Every resource of a type: the whole list or an exception, never a part.
  asio::awaitable<std::vector<LocketResource>> fetch_all(LocketType type);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace rivera::clients
