#include "cluster/settings/log_files.h"

#include <algorithm>
#include <fcntl.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace rivera::cluster {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 65536;

fs::path set_aside(const fs::path& file) { return file.string() + ".1"; }

base::UniqueFd open_to_read(const fs::path& file) {
  return base::UniqueFd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
}

off_t size_of(int fd) { return std::max<off_t>(0, ::lseek(fd, 0, SEEK_END)); }

std::string read_from(int fd, off_t offset, std::size_t size) {
  std::string out(size, '\0');
  const ssize_t n = ::pread(fd, out.data(), size, offset);
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return out;
}

// Where the last `lines` lines begin. `lines` becomes the number of lines that are missing.
off_t tail_offset(int fd, std::size_t& lines) {
  const off_t size = size_of(fd);
  if (lines == 0) return size;
  for (off_t end = size; end > 0;) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(kBlock));
    const std::string block = read_from(fd, begin, static_cast<std::size_t>(end - begin));
    for (std::size_t i = block.size(); i-- > 0;) {
      const off_t position = begin + static_cast<off_t>(i);
      if (block[i] == '\n' && position != size - 1 && --lines == 0) return position + 1;
    }
    end = begin;
  }
  if (size > 0) --lines;  // the first line, which no line end precedes
  return 0;
}

bool is_same_file(int fd, const fs::path& file) {
  struct stat open {};
  struct stat named {};
  return ::fstat(fd, &open) == 0 && ::stat(file.c_str(), &named) == 0 && open.st_dev == named.st_dev &&
         open.st_ino == named.st_ino;
}

}  // namespace

std::vector<std::string> last_lines(const fs::path& file, std::size_t count) {
  constexpr off_t kWindow = 65536;
  const base::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  std::string text(static_cast<std::size_t>(std::clamp<off_t>(size, 0, kWindow)), '\0');
  const ssize_t n = ::pread(fd.get(), text.data(), text.size(), size - static_cast<off_t>(text.size()));
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  return lines;
}

// The reason why a component does not start: the last line of its log that reports an error.
std::string last_error_in_log(const Settings& settings, const std::string& component) {
  const auto lines = last_lines(settings.log_dir() / (component + ".log"), 20);
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (line->find("error") != std::string::npos || line->find("fatal") != std::string::npos) return *line;
  }
  return lines.empty() ? "it printed nothing" : lines.back();
}

void LogReader::open() {
  fd_ = open_to_read(file_);
  offset_ = 0;
}

void LogReader::read_rest(int fd, const Sink& sink) {
  for (;;) {
    const std::string block = read_from(fd, offset_, kBlock);
    if (block.empty()) return;
    sink(block);
    offset_ += static_cast<off_t>(block.size());
  }
}

void LogReader::read_last(std::size_t lines, const Sink& sink) {
  open();
  std::size_t missing = lines;
  const off_t begin = fd_ ? tail_offset(fd_.get(), missing) : 0;
  if (const base::UniqueFd older = open_to_read(set_aside(file_)); older && missing > 0) {
    offset_ = tail_offset(older.get(), missing);
    read_rest(older.get(), sink);
  }
  offset_ = begin;
  if (fd_) read_rest(fd_.get(), sink);
}

void LogReader::read_new(const Sink& sink) {
  if (!fd_) open();
  if (!fd_) return;
  if (size_of(fd_.get()) < offset_) {
    // It was copied and emptied; what was written between is in the copy.
    if (const base::UniqueFd older = open_to_read(set_aside(file_))) read_rest(older.get(), sink);
    offset_ = 0;
  }
  read_rest(fd_.get(), sink);
  if (is_same_file(fd_.get(), file_)) return;
  // It has another name now. What was written until it got that one is read; its writers open the file by name.
  read_rest(fd_.get(), sink);
  open();
  if (fd_) read_rest(fd_.get(), sink);
}

}  // namespace rivera::cluster
