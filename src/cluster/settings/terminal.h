// Progress on a terminal, or in a file.
#pragma once

#include <chrono>
#include <string>

namespace rivera::cluster {

// One line for each step: "  certificates ......... ready (0.1 s)". On a terminal the line is there while the step
// runs.
class Progress {
 public:
  void begin(const std::string& step);
  // What is going on inside the step; terminals only, overwritten by what follows.
  void say(const std::string& detail);
  void done(const std::string& result = "ready");
  void failed();

 private:
  void print_line(const std::string& rest, bool final);

  std::string step_;
  std::chrono::steady_clock::time_point started_;
  std::string last_;
};

// Prints and flushes.
void print(const std::string& text);

}  // namespace rivera::cluster
