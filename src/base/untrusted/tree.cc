#include "base/untrusted/tree.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <dirent.h>
#include <exception>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <mutex>
#include <string>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

#include "base/files.h"
#include "base/units.h"

namespace rivera::base {

namespace {

// Deeper directories are moved up before they are emptied.
constexpr unsigned kMostLevels = 32;
constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

[[noreturn]] void fail(const std::string& what, int error) {
  throw std::system_error(error, std::generic_category(), what);
}

// The entries of a directory, in pieces; "." and ".." are left out.
class DirectoryReader {
 public:
  struct Entry {
    const char* name = nullptr;
    unsigned char type = DT_UNKNOWN;
    std::int64_t next = 0;  // where the following one begins
  };

  // nullptr name at the end, or if the directory cannot be read.
  Entry next(int directory) {
    for (;;) {
      if (at_ >= filled_) {
        const auto count = ::syscall(SYS_getdents64, directory, buffer_.data(), buffer_.size());
        if (count <= 0) return {};
        at_ = 0;
        filled_ = static_cast<std::size_t>(count);
      }
      const auto* entry = reinterpret_cast<const dirent64*>(buffer_.data() + at_);
      at_ += entry->d_reclen;
      if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
      return {entry->d_name, entry->d_type, entry->d_off};
    }
  }
  // Forgets what was read ahead: the next call is about another directory or position.
  void restart() { at_ = filled_ = 0; }

 private:
  alignas(dirent64) std::array<char, 16 * base::kKibibyte> buffer_{};
  std::size_t at_ = 0, filled_ = 0;
};

// A child directory on the same file system.
UniqueFd open_child(int parent, const char* name) {
  open_how how{};
  how.flags = kOpenDirectory;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, parent, name, &how, sizeof how)));
}

// Makes a file or directory removable again that its owner has marked.
void clear_flags(int fd) {
  unsigned flags = 0;
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return;
  flags &= ~static_cast<unsigned>(FS_IMMUTABLE_FL | FS_APPEND_FL);
  ::ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

// Several threads: removing a directory may wait for the kernel each time. Each takes a child of the top; one that has
// more than it needs moves a part of it up for the others. So does one that is too deep.
class TreeRemover {
 public:
  TreeRemover(UniqueFd top, std::string path) : top_(std::move(top)), path_(std::move(path)) {}

  void run() {
    while (list_top()) {
    }
    {
      const std::lock_guard lock(mutex_);
      is_ending_ = true;
    }
    changed_.notify_all();
    threads_.clear();  // joins
  }

  ~TreeRemover() {
    {
      const std::lock_guard lock(mutex_);
      is_ending_ = true;
    }
    changed_.notify_all();
  }

 private:
  // Removes every entry that the top has; false if there was none.
  bool list_top() {
    if (::lseek(top_.get(), 0, SEEK_SET) != 0) fail(path_, errno);
    DirectoryReader reader;
    bool has_any = false;
    for (auto entry = reader.next(top_.get()); entry.name != nullptr; entry = reader.next(top_.get())) {
      has_any = true;
      const std::string name = entry.name;
      if (entry.type != DT_DIR && unlink(top_.get(), name, 0)) continue;
      if (entry.type != DT_DIR && errno != EISDIR && errno != EPERM) fail(path_ + ": remove a file", errno);
      if (unlink(top_.get(), name, AT_REMOVEDIR)) continue;
      hand_over(name);
      help_while([this] { return waiting_.size() > kBatch; });
    }
    help_while([this] { return !waiting_.empty() || working_ > 0; });
    return has_any;
  }

  void hand_over(std::string name) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMostWaiting) return;  // the next listing of the top finds it
    waiting_.push_back(std::move(name));
    if (threads_.size() < kMostThreads && idle_ == 0) threads_.emplace_back([this] { work(); });
    changed_.notify_one();
  }

  // Works as well, as long as `condition` holds. Throws what went wrong, here or elsewhere.
  template <typename Condition>
  void help_while(Condition condition) {
    std::unique_lock lock(mutex_);
    while (!failure_ && condition()) {
      if (waiting_.empty()) {
        changed_.wait(lock);
      } else {
        take_one(lock);
      }
    }
    if (failure_) std::rethrow_exception(failure_);
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (!is_ending_ && !failure_) {
      if (waiting_.empty()) {
        ++idle_;
        changed_.wait(lock);
        --idle_;
      } else {
        take_one(lock);
      }
    }
  }

  void take_one(std::unique_lock<std::mutex>& lock) {
    const std::string name = std::move(waiting_.front());
    waiting_.pop_front();
    ++working_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      remove(top_.get(), name, DT_DIR, 0);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    --working_;
    if (failure && !failure_) failure_ = failure;
    changed_.notify_all();
  }

  bool others_are_idle() {
    const std::lock_guard lock(mutex_);
    return waiting_.empty() && (idle_ > 0 || threads_.size() < kMostThreads);
  }

  void empty(int directory, unsigned depth) {
    std::vector<std::pair<std::string, unsigned char>> entries;
    do {
      entries.clear();
      if (::lseek(directory, 0, SEEK_SET) != 0) fail(path_, errno);
      // A part at a time: a directory may have millions.
      DirectoryReader reader;
      for (auto entry = reader.next(directory); entry.name != nullptr && entries.size() < kBatch;
           entry = reader.next(directory)) {
        entries.emplace_back(entry.name, entry.type);
      }
      for (const auto& [name, type] : entries) remove(directory, name, type, depth);
    } while (!entries.empty());
  }

  void remove(int directory, const std::string& name, unsigned char type, unsigned depth) {
    if (type != DT_DIR) {
      if (unlink(directory, name, 0)) return;
      if (errno != EISDIR && errno != EPERM) fail(path_ + ": remove a file", errno);
    }
    // The others get what is left to do before this one waits.
    const bool is_for_others = depth > 0 && (depth >= kMostLevels || others_are_idle());
    if (is_for_others) return move_up(directory, name);
    {
      const UniqueFd child = open_child(directory, name.c_str());
      if (!child && errno == ENOENT) return;
      if (!child) fail(path_ + ": open a directory", errno);
      empty(child.get(), depth + 1);
    }
    if (!unlink(directory, name, AT_REMOVEDIR)) fail(path_ + ": remove a directory", errno);
  }

  // True also if there is no such entry.
  static bool unlink(int directory, const std::string& name, int flags) {
    if (::unlinkat(directory, name.c_str(), flags) == 0 || errno == ENOENT) return true;
    if (errno != EPERM) return false;
    clear_flags(directory);
    const UniqueFd entry(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (entry) clear_flags(entry.get());
    return ::unlinkat(directory, name.c_str(), flags) == 0 || errno == ENOENT;
  }

  void move_up(int directory, const std::string& name) {
    std::string place;
    for (;;) {
      place = ".moved-" + std::to_string(moved_++);
      if (::renameat2(directory, name.c_str(), top_.get(), place.c_str(), RENAME_NOREPLACE) == 0) break;
      if (errno == EPERM) {
        clear_flags(directory);
        const UniqueFd entry = open_child(directory, name.c_str());
        if (entry) clear_flags(entry.get());
        if (::renameat2(directory, name.c_str(), top_.get(), place.c_str(), RENAME_NOREPLACE) == 0) break;
      }
      if (errno != EEXIST) fail(path_ + ": move a directory", errno);
    }
    hand_over(std::move(place));
  }

  static constexpr std::size_t kBatch = 4096;
  static constexpr std::size_t kMostWaiting = 65536;
  static constexpr std::size_t kMostThreads = 15;  // beside the caller's
  const UniqueFd top_;
  const std::string path_;
  std::atomic<std::uint64_t> moved_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> waiting_;  // directories of the top
  std::size_t working_ = 0, idle_ = 0;
  bool is_ending_ = false;
  std::exception_ptr failure_;
  std::vector<std::jthread> threads_;  // last: they use the others
};

struct Level {
  ino_t inode = 0;
  std::int64_t position = 0;  // after the entry that was entered
};

class TreeMeter {
 public:
  TreeMeter(UniqueFd top, std::uint64_t most) : here_(std::move(top)), most_(most) {}

  TreeUsage run() {
    struct stat info {};
    if (::fstat(here_.get(), &info) != 0) return usage_;
    device_ = info.st_dev;
    inode_ = info.st_ino;
    while (step()) {
    }
    return usage_;
  }

 private:
  // False at the end.
  bool step() {
    const auto entry = reader_.next(here_.get());
    if (entry.name == nullptr) return leave();
    struct stat info {};
    if (::fstatat(here_.get(), entry.name, &info, AT_SYMLINK_NOFOLLOW) != 0) return true;  // removed meanwhile
    usage_.bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
    if (++usage_.entries >= most_) return stop();
    if (S_ISDIR(info.st_mode) && info.st_dev == device_) enter(entry, info.st_ino);
    return true;
  }

  void enter(const DirectoryReader::Entry& entry, ino_t inode) {
    UniqueFd child = open_child(here_.get(), entry.name);
    struct stat info {};
    if (!child || ::fstat(child.get(), &info) != 0 || info.st_ino != inode) return;
    above_.push_back({inode_, entry.next});
    here_ = std::move(child);
    inode_ = inode;
    reader_.restart();
  }

  bool leave() {
    if (above_.empty()) return false;
    const Level level = above_.back();
    above_.pop_back();
    UniqueFd parent(::openat(here_.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat info {};
    const bool is_same = parent && ::fstat(parent.get(), &info) == 0 && info.st_ino == level.inode &&
                         info.st_dev == device_ && ::lseek(parent.get(), level.position, SEEK_SET) >= 0;
    if (!is_same) return stop();  // it was moved: the way back is lost
    here_ = std::move(parent);
    inode_ = level.inode;
    reader_.restart();
    return true;
  }

  bool stop() {
    usage_.is_complete = false;
    return false;
  }

  UniqueFd here_;
  std::uint64_t most_;
  TreeUsage usage_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::vector<Level> above_;
  DirectoryReader reader_;
};

}  // namespace

void remove_tree(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return;
  UniqueFd top(::open(path.c_str(), kOpenDirectory));
  if (!top) {
    // A marked file.
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file) clear_flags(file.get());
    if (::unlink(path.c_str()) != 0) fail(path, errno);
    return;
  }
  const UniqueFd keep(::dup(top.get()));
  TreeRemover(std::move(top), path).run();
  if (::rmdir(path.c_str()) == 0) return;
  if (errno == EPERM && keep) clear_flags(keep.get());
  if (::rmdir(path.c_str()) != 0) fail(path, errno);
}

TreeUsage measure_tree(const std::filesystem::path& top, std::uint64_t most_entries) {
  UniqueFd fd(::open(top.c_str(), kOpenDirectory));
  if (!fd) fail(top, errno);
  return TreeMeter(std::move(fd), most_entries).run();
}

}  // namespace rivera::base
