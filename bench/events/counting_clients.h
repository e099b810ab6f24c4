// Many event streams read as cheaply as possible: bytes are looked at only for the blank line that ends an event.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace rivera::bench {

class CountingClients {
 public:
  // `address` is "127.0.0.1:PORT".
  explicit CountingClients(const std::string& address);
  ~CountingClients();

  // Opens one more stream. Throws std::system_error. Before start() only.
  void add(const std::string& path, const std::string& cell);
  // Reads from all of them, in a thread of its own.
  void start();

  // How many events have arrived at all of them together.
  std::uint64_t events();
  // Waits until events() is at least `count`. Throws std::runtime_error after 30 seconds.
  void wait_for(std::uint64_t count);

 private:
  void read_all();
  void read_from(std::size_t client);

  struct Client {
    int socket = -1;
    char last = 0;  // the byte before the next read
  };
  std::uint16_t port_;
  int epoll_;
  std::vector<Client> clients_;
  std::mutex mutex_;  // of events_
  std::condition_variable changed_;
  std::uint64_t events_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace rivera::bench
