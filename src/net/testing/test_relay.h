// A relay between a client and a server that a test can make slow, deaf or broken.
#pragma once

#include <memory>
#include <string>

namespace rivera::net {

// Forwards TCP connections to loopback, bytes as they come, on a thread of its own. For tests only; called from the
// test's thread. Each call has taken effect when it returns.
class TestRelay {
 public:
  // `target` is "127.0.0.1:1234". Throws boost::system::system_error if there is no port to listen on.
  explicit TestRelay(const std::string& target);
  ~TestRelay();

  // Where to connect to.
  std::string address() const;

  // Where connections made from now on go.
  void redirect(const std::string& target);
  // Keeps what the servers say from the clients, until release(). Nothing is lost.
  void hold_answers();
  // Keeps what the clients say from the servers, until release(). Nothing is lost.
  void hold_requests();
  void release();
  // The connections there are stay open and silent, as those to a machine that has vanished.
  void freeze();
  // Breaks the connections there are.
  void cut();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rivera::net
