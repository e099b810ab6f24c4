// ./run logs and ./run status
#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "base/files.h"
#include "cluster/commands.h"
#include "cluster/prepare/component.h"
#include "cluster/prepare/preflight.h"
#include "cluster/run_coroutine.h"
#include "cluster/settings/terminal.h"
#include "cluster/status.h"

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 65536;

Settings settings_of(const fs::path& var_dir) {
  if (!settings_exist(var_dir)) throw Problem("no cluster has been started here: start one with ./run");
  return load_settings(var_dir);
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

fs::path find_log(const Settings& settings, const std::string& name) {
  std::string known = "supervisor";
  for (const Component& component : components(settings)) known += ", " + component.name;
  if (is_plain_name(name)) {
    for (const fs::path& file : {settings.log_dir() / (name + ".log"), settings.app_log_dir() / (name + ".log")}) {
      if (fs::exists(file)) return file;
    }
  }
  throw Problem(
      fmt::format("nothing is logged for \"{}\": give a process guid, a task guid, or one of {}", name, known));
}

std::string read_from(int fd, off_t offset, std::size_t size) {
  std::string out(size, '\0');
  const ssize_t n = ::pread(fd, out.data(), size, offset);
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return out;
}

// Where the last `lines` lines begin; `size` if there are to be none.
off_t tail_offset(int fd, off_t size, int lines) {
  if (lines <= 0) return size;
  int seen = 0;
  for (off_t end = size; end > 0;) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(kBlock));
    const std::string block = read_from(fd, begin, static_cast<std::size_t>(end - begin));
    for (std::size_t i = block.size(); i-- > 0;) {
      const off_t position = begin + static_cast<off_t>(i);
      if (block[i] == '\n' && position != size - 1 && ++seen == lines) return position + 1;
    }
    end = begin;
  }
  return 0;
}

// Prints a log from an offset on. What goes to a terminal is plain text: applications write their own logs.
class LogPrinter {
 public:
  off_t print_rest(int fd, off_t offset) {
    for (;;) {
      const std::string block = read_from(fd, offset, kBlock);
      if (block.empty()) return offset;
      print(is_terminal() ? plain_.take(block) : block);
      offset += static_cast<off_t>(block.size());
    }
  }

 private:
  PlainText plain_;
};

}  // namespace

int show_logs(const fs::path& var_dir, const std::string& name, bool follow, int lines) {
  const Settings settings = settings_of(var_dir);
  const fs::path file = find_log(settings, name);
  const base::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw Problem("cannot read " + file.string());
  off_t offset = tail_offset(fd.get(), ::lseek(fd.get(), 0, SEEK_END), lines);
  LogPrinter printer;
  offset = printer.print_rest(fd.get(), offset);
  while (follow) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const off_t size = ::lseek(fd.get(), 0, SEEK_END);
    if (size < offset) offset = 0;  // it was rotated
    offset = printer.print_rest(fd.get(), offset);
  }
  return 0;
}

int show_status(const fs::path& var_dir, bool as_json) {
  require_root();  // the keys that open the cluster are root's
  const Settings settings = settings_of(var_dir);
  const ClusterStatus status = run_coroutine(fetch_status(settings));
  print(as_json ? to_json_text(status) + "\n" : to_text(status, true));
  if (as_json && !status.problem.empty()) fmt::print(stderr, "rivera: {}\n", status.problem);
  return status.problem.empty() ? 0 : 1;
}

}  // namespace rivera::cluster
