#include "base/log/log_writer.h"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <thread>
#include <unistd.h>

#include "base/check.h"

namespace rivera::base {
namespace {

constexpr auto kPatienceAtEnd = std::chrono::seconds(1);

// How often this process is a fork's child. A fork copies no threads, and mutexes as they are at that moment: the child
// writes to a writer of its parent directly.
std::atomic<unsigned> forks{0};

}  // namespace

// Shared with the thread, which a reader that has stopped may hold in write() without end: it is then left behind.
class LogWriter::Shared : public std::enable_shared_from_this<Shared> {
 public:
  Shared(int fd, std::size_t limit) : fd_(fd), limit_(limit), generation_(forks) {
    static const int counts_forks = ::pthread_atfork(nullptr, nullptr, [] { ++forks; });
    static_cast<void>(counts_forks);
  }

  void push(std::string_view line, const std::shared_ptr<const LostLine>& lost_line) {
    if (is_of_parent()) {
      write_all(line);
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      ensure_thread();
      ++pushed_;
      if (lost_ > 0 || buffer_.size() + line.size() > limit_) {  // once one is lost, all until that is reported
        ++lost_;
        lost_line_ = lost_line;
      } else {
        buffer_.append(line);
        newest_lost_line_ = lost_line;
      }
    }
    changed_.notify_all();
  }

  bool flush(std::chrono::nanoseconds limit) {
    if (is_of_parent()) return true;
    std::unique_lock lock(mutex_);
    const auto target = pushed_;
    return changed_.wait_for(lock, limit, [&] { return settled_ >= target; });
  }

  void close() {
    if (is_of_parent()) return;
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
    }
    changed_.notify_all();
  }

 private:
  bool is_of_parent() const { return generation_ != forks; }

  void ensure_thread() {
    if (has_thread_) return;
    has_thread_ = true;
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the program's other threads
    std::thread([self = shared_from_this()] { self->work(); }).detach();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return is_closed_ || settled_ < pushed_; });
      if (settled_ == pushed_) return;
      const std::string lines = std::exchange(buffer_, {});
      const auto reach = pushed_;
      const auto lost = std::exchange(lost_, 0);
      const auto lost_line = lost > 0 ? lost_line_ : newest_lost_line_;
      lock.unlock();
      write_lines(lines, *lost_line);
      unreported_ += lost;
      report(*lost_line);
      lock.lock();
      settled_ = reach;
      changed_.notify_all();
    }
  }

  // A line to a write: others may write to the same pipe or file.
  void write_lines(std::string_view lines, const LostLine& lost_line) {
    while (!lines.empty()) {
      const std::string_view line = lines.substr(0, lines.find('\n') + 1);
      lines.remove_prefix(line.size());
      if (!report(lost_line) || !write_whole(line)) ++unreported_;
    }
  }

  // False: there is something to report, and it cannot be written.
  bool report(const LostLine& lost_line) {
    if (unreported_ == 0) return true;
    if (!write_whole(lost_line(unreported_))) return false;
    unreported_ = 0;
    return true;
  }

  bool write_whole(std::string_view text) {
    if (is_mid_line_) {  // the rest of that one is lost
      if (!write_all("\n")) return false;
      is_mid_line_ = false;
    }
    const auto size = text.size();
    if (write_all(text)) return true;
    is_mid_line_ = text.size() < size;
    return false;
  }

  // Takes what was written off `text`.
  bool write_all(std::string_view& text) const {
    while (!text.empty()) {
      const ssize_t n = ::write(fd_, text.data(), text.size());
      if (n >= 0) {
        text.remove_prefix(static_cast<std::size_t>(n));
      } else if (errno == EAGAIN) {  // another holder of the descriptor has made it non-blocking
        pollfd writable{fd_, POLLOUT, 0};
        ::poll(&writable, 1, -1);
      } else if (errno != EINTR) {
        return false;
      }
    }
    return true;
  }
  bool write_all(std::string_view&& text) const { return write_all(text); }

  const int fd_;
  const std::size_t limit_;
  const unsigned generation_;  // `forks` where it was made

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string buffer_;                      // what the thread takes next
  std::uint64_t pushed_ = 0, settled_ = 0;  // lines: given to us, and of these written or lost
  std::uint64_t lost_ = 0;                  // lines dropped since the thread took the buffer last
  std::shared_ptr<const LostLine> lost_line_, newest_lost_line_;
  bool is_closed_ = false, has_thread_ = false;
  // The thread's own.
  std::uint64_t unreported_ = 0;
  bool is_mid_line_ = false;  // a part of a line was written last
};

LogWriter::LogWriter(int fd, std::size_t buffer_limit) : shared_(std::make_shared<Shared>(fd, buffer_limit)) {}

LogWriter::~LogWriter() {
  shared_->flush(kPatienceAtEnd);
  shared_->close();
}

const std::shared_ptr<LogWriter>& LogWriter::of_standard_output() {
  static const auto* const writer = [] {
    const auto flush = [] { of_standard_output()->flush(kPatienceAtEnd); };
    std::atexit(+flush);
    set_last_act(+[]() noexcept { of_standard_output()->flush(kPatienceAtEnd); });
    return new std::shared_ptr<LogWriter>(std::make_shared<LogWriter>(STDOUT_FILENO));
  }();
  return *writer;
}

void LogWriter::push(std::string_view line, const std::shared_ptr<const LostLine>& lost_line) {
  shared_->push(line, lost_line);
}

bool LogWriter::flush(std::chrono::nanoseconds limit) { return shared_->flush(limit); }

}  // namespace rivera::base
