// Work that a test repeats in the background.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace rivera::harness {

// Calls `step` again and again in a thread of its own, in the network of the thread that makes this object. What a step
// throws is kept as a failure.
class Background {
 public:
  explicit Background(std::function<void()> step);
  ~Background();

  // Steps that have ended so far, well or not.
  int steps() const { return steps_; }
  // Ends after the present step. Returns what failed, at most a hundred texts.
  std::vector<std::string> stop();

 private:
  std::function<void()> step_;
  std::atomic<bool> stops_ = false;
  std::atomic<int> steps_ = 0;
  std::vector<std::string> failures_;
  std::thread thread_;
};

}  // namespace rivera::harness
