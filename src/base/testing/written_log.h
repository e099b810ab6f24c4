// What a logger writes.
#pragma once

#include <chrono>
#include <fcntl.h>
#include <string>

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/log/log.h"

namespace rivera::base {

// A logger of every level, with a file of its own.
class WrittenLog {
 public:
  const Logger& logger() const { return logger_; }
  // What it has written so far.
  std::string text() const {
    EXPECT_TRUE(logger_.flush(std::chrono::seconds(10)));
    return read_file(path());
  }

 private:
  std::string path() const { return directory_.path() / "log"; }

  TemporaryDirectory directory_;
  UniqueFd file_{::open(path().c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600)};
  Logger logger_{"test", LogLevel::kDebug, LogTimeFormat::kRfc3339, file_.get()};
};

}  // namespace rivera::base
