// A program that a test runs beside itself: its log, its signals, its end.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

namespace rivera::base {

// Runs from construction to destruction, which kills it. Its standard output, JSON lines in lager's form, is read all
// the time, so that a program never waits for its test. For tests only; used on one thread.
class TestProgram {
 public:
  static constexpr std::chrono::seconds kPatience{60};

  // Throws std::system_error if it cannot be started.
  explicit TestProgram(const std::vector<std::string>& command);
  ~TestProgram();
  TestProgram(TestProgram&&) noexcept;
  TestProgram& operator=(TestProgram&&) noexcept;

  // The data of the next log line with this message, after the last one waited for. Throws std::runtime_error with the
  // last lines if the program ends, or the patience is over, before it comes.
  boost::json::object wait_for(const std::string& message);

  void send(int signal) const;
  // Waits for its end: the exit status, or -signal. Throws std::runtime_error if it takes longer than `limit`.
  int wait(std::chrono::nanoseconds limit = kPatience);
  int end(int signal) {
    send(signal);
    return wait();
  }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rivera::base
