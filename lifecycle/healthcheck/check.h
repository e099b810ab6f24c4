// One attempt of a check.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "healthcheck/options.h"

namespace healthcheck {

using Clock = std::chrono::steady_clock;

// Exit statuses (docs/spec/access-and-tools.md §5.7).
enum Status : int {
  kHealthy = 0,
  kNoInterfaces = 1,
  kUsage = 2,
  kNoSuitableInterface = 3,
  kTcpFailed = 4,
  kHttpFailed = 5,
  kBadHttpAnswer = 6,
  kTcpTimeout = 64,
  kHttpTimeout = 65,
  kUnknown = 127,
};

struct Result {
  int status = kHealthy;
  std::string message;
  bool ok() const { return status == kHealthy; }
};

// The first address, in their order, of an interface that is no loopback. nullopt: `result` says why.
std::optional<std::string> own_address(Result& result);

// A connected socket, or the reason why there is none: an errno, or ETIMEDOUT when the deadline passed.
class Connection {
 public:
  Connection(const std::string& address, int port, Clock::time_point deadline);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int error() const { return error_; }
  // False: error() says why.
  bool write(std::string_view bytes);
  // What came; empty at the end, or on an error.
  std::string read();

 private:
  bool wait(short events);

  int fd_ = -1;
  int error_ = 0;
  Clock::time_point deadline_;
};

// nullopt if the text is no number from 0 to 65535.
std::optional<int> port_number(const std::string& text);
std::string lower_case_error(int error);

Result check_tcp(const Options& options, const std::string& address);
Result check_http(const Options& options, const std::string& address);

}  // namespace healthcheck
