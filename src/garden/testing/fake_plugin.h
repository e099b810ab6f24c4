// A plugin for tests: records how it is called, and gives the answers that the test sets.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"

namespace rivera::garden {

// The program distinguishes calls by the first of its arguments that answer() or fail() were given.
class FakePlugin {
 public:
  FakePlugin();

  std::string program() const { return directory() + "/plugin"; }
  std::string directory() const { return directory_.path().string(); }

  // What it prints when called with that argument.
  void answer(const std::string& argument, const std::string& text);
  // It prints that, and exits with 3.
  void fail(const std::string& argument, const std::string& text);
  // A line of its error output.
  void log(const std::string& line);

  // "create URI HANDLE" and so on: each call's arguments, with "|" and its input behind them if there was any.
  std::vector<std::string> calls() const;

 private:
  base::TemporaryDirectory directory_;
};

}  // namespace rivera::garden
