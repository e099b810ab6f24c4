#include "garden/host/tag_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace rivera::garden {
namespace {

constexpr int kAttempts = 100;
constexpr unsigned kPause = 100'000;  // microseconds

// The last garden that held a tag.
struct Holder {
  std::string state_dir;
  std::string run_dir;
};

Holder holder_in(const base::UniqueFd& file) {
  std::istringstream lines(base::read_file("/proc/self/fd/" + std::to_string(file.get())));
  Holder holder;
  std::getline(lines, holder.state_dir);
  std::getline(lines, holder.run_dir);
  return holder;
}

// The file may have been removed since it was opened.
bool is_still_there(const base::UniqueFd& file, const std::string& path) {
  struct stat ours {};
  struct stat named {};
  return ::fstat(file.get(), &ours) == 0 && ::stat(path.c_str(), &named) == 0 && ours.st_ino == named.st_ino &&
         ours.st_dev == named.st_dev;
}

// Every container has a mount below the run directory of its garden.
bool has_containers(const Holder& holder) {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(" " + holder.run_dir + "/") != std::string::npos) return true;
  }
  return false;
}

[[noreturn]] void refuse(const Options& options, const std::string& what, const Holder& holder) {
  throw std::runtime_error("the tag \"" + options.tag + "\" is held by " + what + " " + holder.state_dir +
                           ": choose another --tag");
}

}  // namespace

TagLock::TagLock(const Options& options, const std::string& directory)
    : path_(directory + "/garden" + (options.tag.empty() ? "" : "-" + options.tag) + ".lock") {
  for (int attempt = 0;; ++attempt) {
    file_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file_) throw std::system_error(errno, std::generic_category(), "open " + path_);
    const bool is_ours = ::flock(file_.get(), LOCK_EX | LOCK_NB) == 0;
    if (is_ours && is_still_there(file_, path_)) break;
    const Holder holder = holder_in(file_);
    const bool is_other = !holder.state_dir.empty() && holder.state_dir != options.state_dir;
    if (!is_ours && (is_other || attempt == kAttempts)) refuse(options, "the garden that uses", holder);
    if (!is_ours) ::usleep(kPause);
  }
  const Holder before = holder_in(file_);
  if (!before.state_dir.empty() && before.state_dir != options.state_dir && has_containers(before)) {
    refuse(options, "containers of the garden that used", before);
  }
  const std::string text = options.state_dir + "\n" + options.run_dir + "\n";
  if (::ftruncate(file_.get(), 0) != 0 ||
      ::pwrite(file_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    throw std::system_error(errno, std::generic_category(), "write " + path_);
  }
}

void TagLock::remove() { ::unlink(path_.c_str()); }

}  // namespace rivera::garden
