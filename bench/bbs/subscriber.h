// A subscriber of the instance stream that remembers when each instance was announced as RUNNING.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include <boost/asio/io_context.hpp>

#include "clients/bbs_client.h"

namespace rivera::bench {

class Subscriber {
 public:
  using Clock = std::chrono::steady_clock;
  // Subscribes, and returns once events will be seen.
  Subscriber(const std::string& address, const net::TlsFiles& tls);
  ~Subscriber();

  std::size_t events() const { return events_; }
  // When instance `guid` was first announced RUNNING. Waits for up to ten seconds; throws if it was not.
  Clock::time_point running_since(const std::string& guid);

 private:
  asio::awaitable<void> listen(std::string address, net::TlsFiles tls);

  boost::asio::io_context io_;
  std::thread thread_;
  std::atomic<bool> open_ = false;
  std::atomic<std::size_t> events_ = 0;
  std::mutex mutex_;
  std::unordered_map<std::string, Clock::time_point> running_;
};

}  // namespace rivera::bench
