// A name server for tests, and the one that never answers.
#pragma once

#include <map>
#include <memory>
#include <string>

namespace rivera::net {

// While it lives, it is the process's only name server (net/names/resolver.h). It listens on a free UDP port of
// 127.0.0.1, on a thread of its own. For tests only; called from the test's thread.
class TestNameServer {
 public:
  // Answers questions for these names with their IPv4 addresses ("127.0.0.1", "127.0.0.2,127.0.0.3"), for all others
  // that they do not exist.
  explicit TestNameServer(std::map<std::string, std::string> addresses);
  // Takes questions and answers none.
  static TestNameServer silent() { return TestNameServer(Silent::kYes); }
  ~TestNameServer();
  TestNameServer(TestNameServer&&) = delete;

  // Between the two, questions are taken and not answered.
  void hold_answers();
  void release_answers();
  // Questions for IPv4 addresses so far.
  int questions() const;

 private:
  enum class Silent { kYes };
  explicit TestNameServer(Silent);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rivera::net
