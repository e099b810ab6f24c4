// Reading log files, across their rotation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "cluster/settings/settings.h"

namespace rivera::cluster {

// At most `count` lines from the end of a file, in order; empty if it cannot be read.
std::vector<std::string> last_lines(const std::filesystem::path& file, std::size_t count);

// Why a component does not start: the last line of its log that reports an error, else the last line.
std::string last_error_in_log(const Settings& settings, const std::string& component);

// Reads a log that is rotated while it is read: set aside under "<file>.1" by a new name, as application logs are, or
// by a copy before it is emptied, as component logs are.
class LogReader {
 public:
  using Sink = std::function<void(std::string_view)>;

  explicit LogReader(std::filesystem::path file) : file_(std::move(file)) {}

  // Gives the last `lines` lines, those of "<file>.1" among them where the file has fewer. Once, before the rest.
  void read_last(std::size_t lines, const Sink& sink);
  // Gives what was written since, also to a file that was set aside in the meantime. Nothing if there is no file at the
  // moment.
  void read_new(const Sink& sink);

 private:
  void open();
  void read_rest(int fd, const Sink& sink);

  std::filesystem::path file_;
  base::UniqueFd fd_;
  off_t offset_ = 0;
};

}  // namespace rivera::cluster
