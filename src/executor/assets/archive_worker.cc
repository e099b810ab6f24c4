#include "executor/assets/archive_worker.h"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/files.h"
#include "base/process/child_process.h"
#include "base/untrusted/confinement.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProgramName = "archive-worker";
constexpr auto kTimeLimit = std::chrono::minutes(10);
constexpr std::size_t kLongestMessage = 4096;

base::UniqueFd open_or_throw(const fs::path& path, int flags, mode_t mode = 0) {
  base::UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) throw std::system_error(errno, std::generic_category(), "cannot open " + path.string());
  return fd;
}

// What the child writes until it ends, up to a bound. Stops at the time limit.
std::string read_message(int fd, std::chrono::steady_clock::time_point deadline) {
  std::string message;
  char buffer[1024];
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return message;
    pollfd wanted{fd, POLLIN, 0};
    if (::poll(&wanted, 1, static_cast<int>(left.count())) < 0 && errno != EINTR) return message;
    if (wanted.revents == 0) continue;
    const auto count = ::read(fd, buffer, sizeof buffer);
    if (count <= 0) return message;
    const auto room = kLongestMessage - std::min(kLongestMessage, message.size());
    message.append(buffer, std::min(static_cast<std::size_t>(count), room));
  }
}

}  // namespace

struct ArchiveWorker::Job {
  const char* task = "";
  int input = -1;
  int output = -1;  // a directory or a file
  uid_t user = 0;
  ArchiveLimits limits;
};

ArchiveWorker::ArchiveWorker() : ArchiveWorker(fs::read_symlink("/proc/self/exe").parent_path()) {}

ArchiveWorker::ArchiveWorker(const fs::path& directory) : program_(directory / kProgramName) {}

void ArchiveWorker::run(const Job& job) const {
  base::Pipe messages;
  base::ChildOptions options;
  options.input = job.input;
  options.error = messages.write_end.get();
  options.passed = job.output;
  base::ChildProcess child({program_.string(), job.task, std::to_string(job.user), std::to_string(job.limits.bytes),
                            std::to_string(job.limits.entries)},
                           options);
  messages.write_end.reset();
  const auto deadline = std::chrono::steady_clock::now() + kTimeLimit;
  const auto message = read_message(messages.read_end.get(), deadline);
  const auto status = child.wait_for(deadline - std::chrono::steady_clock::now());
  if (!status) {
    child.kill();
    throw std::runtime_error("reading the archive took too long");
  }
  if (base::exit_status_of(*status) == 0) return;
  throw std::runtime_error(message.empty() ? "reading the archive: " + base::describe_end(*status) : message);
}

std::uint64_t ArchiveWorker::make_plain_tar(const fs::path& from, const fs::path& to,
                                            const ArchiveLimits& limits) const {
  const auto format = archive_format(from);
  if (format == ArchiveFormat::kTar) {
    if (fs::file_size(from) > limits.bytes) throw std::runtime_error("the archive is too large");
    fs::rename(from, to);
    return fs::file_size(to);
  }
  const auto input = open_or_throw(from, O_RDONLY);
  const auto output = open_or_throw(to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  run({.task = format == ArchiveFormat::kGzip ? "gunzip" : "unzip",
       .input = input.get(),
       .output = output.get(),
       .user = ::geteuid() == 0 ? base::kConfinedUser : ::geteuid(),
       .limits = limits});
  return fs::file_size(to);
}

void ArchiveWorker::extract(const fs::path& tar, const fs::path& directory, const ArchiveLimits& limits) const {
  const auto input = open_or_throw(tar, O_RDONLY);
  fs::create_directory(directory);
  const auto output = open_or_throw(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const auto user = base::give_to_confined_user(output.get());
  run({.task = "extract", .input = input.get(), .output = output.get(), .user = user, .limits = limits});
}

}  // namespace rivera::executor
