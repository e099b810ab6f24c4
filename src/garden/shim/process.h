// One process of a container, as its parent sees it.
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "garden/shim/fd.h"

namespace rivera::garden::shim {

// The unread bytes of a stream. Keeps at most kCapacity and drops the oldest; less, but never less than kLeast, once
// all backlogs of this shim hold kTotal: a shim's memory is not its container's.
class Backlog {
 public:
  static constexpr std::size_t kCapacity = 1u << 20, kLeast = 64u << 10, kTotal = 8u << 20;
  Backlog() = default;
  ~Backlog() { total_ -= bytes_.size(); }
  Backlog(const Backlog&) = delete;
  Backlog& operator=(const Backlog&) = delete;
  void append(std::string_view bytes);
  std::string take();
  std::size_t size() const { return bytes_.size(); }
  // Of all backlogs.
  static std::size_t total() { return total_; }

 private:
  std::string bytes_;
  static inline std::size_t total_ = 0;
};

enum class Stream { kOutput = 0, kError = 1 };

// Owns the process's ends of standard input, output and error (or its terminal) and its exit status. All descriptors
// are non-blocking; the supervisor's loop says when they are ready.
class Process {
 public:
  Process(std::string id, pid_t pid, std::string exit_file);

  // Either three pipes or one terminal.
  void set_pipes(Fd input, Fd output, Fd error);
  void set_terminal(Fd terminal);

  const std::string& id() const { return id_; }
  pid_t pid() const { return pid_; }
  bool is_alive() const { return !exit_status_; }
  std::optional<int> exit_status() const { return exit_status_; }
  void set_window(unsigned columns, unsigned rows);
  void signal(int number);

  // The descriptor to read the stream from; -1 once it has ended.
  int stream_fd(Stream stream) const { return streams_[index(stream)].fd.get(); }
  // Reads what is there, up to `limit` bytes, and gives it piece by piece. False once the stream has ended.
  bool read_stream(Stream stream, std::size_t limit, const std::function<void(std::string_view)>& take);
  Backlog& backlog(Stream stream) { return streams_[index(stream)].backlog; }
  bool streams_ended() const { return !streams_[0].fd && !streams_[1].fd; }

  // Input waits here until the process reads it.
  static constexpr std::size_t kInputLimit = 1u << 20;
  void queue_input(std::string_view bytes);
  void end_input();
  bool input_is_full() const { return input_queue_.size() >= kInputLimit; }
  // The descriptor to write input to, -1 if there is nothing to write.
  int input_fd() const;
  void write_input();

  // Records the status and writes it to the exit file. Once.
  void record_exit(int status);

  // The exit is reported once `is_finished`; until `finish_by` (monotonic seconds, 0: unset) output is waited for.
  bool is_finished = false;
  bool was_delivered = false;
  double finish_by = 0;

 private:
  static std::size_t index(Stream stream) { return static_cast<std::size_t>(stream); }
  struct Output {
    Fd fd;
    Backlog backlog;
  };

  std::string id_;
  pid_t pid_;
  std::string exit_file_;
  std::optional<int> exit_status_;
  Fd input_;
  bool is_terminal_ = false;
  bool input_ends_ = false;
  std::string input_queue_;
  Output streams_[2];
};

}  // namespace rivera::garden::shim
