#include "garden/shim/process.h"

#include <algorithm>
#include <csignal>
#include <sys/ioctl.h>

#include "base/check.h"
#include "base/units.h"

namespace rivera::garden::shim {

void Backlog::append(std::string_view bytes) {
  const std::size_t of_others = total_ - bytes_.size();
  const std::size_t left = of_others < kTotal ? kTotal - of_others : 0;
  const std::size_t capacity = std::clamp(left, kLeast, kCapacity);
  total_ = of_others;
  if (bytes.size() > capacity) bytes.remove_prefix(bytes.size() - capacity);
  if (bytes_.size() + bytes.size() > capacity) {
    // In steps of a quarter, so that a chatty process does not cost a move per write.
    const std::size_t excess = bytes_.size() + bytes.size() - capacity;
    bytes_.erase(0, std::min(bytes_.size(), std::max(excess, capacity / 4)));
  }
  bytes_.append(bytes);
  total_ += bytes_.size();
}

std::string Backlog::take() {
  total_ -= bytes_.size();
  return std::exchange(bytes_, std::string());
}

Process::Process(std::string id, pid_t pid, std::string exit_file)
    : id_(std::move(id)), pid_(pid), exit_file_(std::move(exit_file)) {}

void Process::set_pipes(Fd input, Fd output, Fd error) {
  input_ = std::move(input);
  streams_[0].fd = std::move(output);
  streams_[1].fd = std::move(error);
}

void Process::set_terminal(Fd terminal) {
  is_terminal_ = true;
  input_ = Fd(check(::fcntl(terminal.get(), F_DUPFD_CLOEXEC, 3), "dup"));
  streams_[0].fd = std::move(terminal);
}

void Process::set_window(unsigned columns, unsigned rows) {
  if (!is_terminal_ || !streams_[0].fd) return;
  winsize size{};
  size.ws_col = static_cast<unsigned short>(columns);
  size.ws_row = static_cast<unsigned short>(rows);
  ::ioctl(streams_[0].fd.get(), TIOCSWINSZ, &size);
}

void Process::signal(int number) {
  // The process is our child and not yet reaped: its number cannot have been given to another.
  if (is_alive()) ::kill(pid_, number);
}

bool Process::read_stream(Stream stream, std::size_t limit, const std::function<void(std::string_view)>& take) {
  Fd& fd = streams_[index(stream)].fd;
  static char buffer[64 * base::kKibibyte];
  for (std::size_t have = 0; fd && have < limit;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n > 0) {
      take(std::string_view(buffer, static_cast<std::size_t>(n)));
      have += static_cast<std::size_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
    fd.reset();  // the end; a terminal says it with EIO
  }
  return static_cast<bool>(fd);
}

void Process::queue_input(std::string_view bytes) {
  if (!input_ || input_ends_) return;
  input_queue_.append(bytes);
}

void Process::end_input() {
  if (is_terminal_) {
    queue_input("\x04");  // end of transmission: what a person would type
    return;
  }
  input_ends_ = true;
  if (input_queue_.empty()) input_.reset();
}

int Process::input_fd() const { return input_queue_.empty() ? -1 : input_.get(); }

void Process::write_input() {
  while (input_ && !input_queue_.empty()) {
    const ssize_t n = ::write(input_.get(), input_queue_.data(), input_queue_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n < 0) {  // it has no reader any more
      input_queue_.clear();
      input_.reset();
      return;
    }
    input_queue_.erase(0, static_cast<std::size_t>(n));
  }
  if (input_ends_) input_.reset();
}

void Process::record_exit(int status) {
  RIVERA_CHECK(!exit_status_, "a process ends once");
  exit_status_ = status;
  input_queue_.clear();
  input_.reset();
  if (exit_file_.empty()) return;
  // A reader sees no file or a whole one.
  const std::string temporary = exit_file_ + ".new";
  Fd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return;
  const std::string text = std::to_string(status);
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return;
  ::rename(temporary.c_str(), exit_file_.c_str());
}

}  // namespace rivera::garden::shim
