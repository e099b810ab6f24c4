// A network between a client and a server that a test can make slow, silent or broken.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace rivera::base {

// Forwards connections to a free port of 127.0.0.1, bytes as they come, on a thread of its own. For tests only; called
// from the test's thread. Each call has taken effect when it returns.
class TestRelay {
 public:
  // `target` is "127.0.0.1:1234" or "unix:/path". Throws boost::system::system_error if there is no port to listen on.
  explicit TestRelay(const std::string& target);
  ~TestRelay();
  TestRelay(const TestRelay&) = delete;
  TestRelay& operator=(const TestRelay&) = delete;

  // Where to connect to: "127.0.0.1:1234".
  std::string address() const;
  std::uint16_t port() const;

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

  // What happens to bytes of a client: they pass; the connection breaks before the server sees them; or it breaks after
  // the server has seen them, at its answer, which is lost.
  enum class Fate { kPass, kCutBefore, kCutAtAnswer };
  // Decides about each piece that clients send from now on, on the relay's thread.
  void judge_requests(std::function<Fate(std::string_view bytes)> judge);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rivera::base
