#include "base/files.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace rivera::base {
namespace {

[[noreturn]] void fail(std::string_view action, const std::filesystem::path& path) {
  throw std::system_error(errno, std::generic_category(), fmt::format("cannot {} {}", action, path.string()));
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) fail("read", path);
  std::string content;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path);
    if (n == 0) return content;
    content.append(buffer, static_cast<std::size_t>(n));
  }
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content, unsigned mode, bool durable) {
  std::string temporary = path.string() + ".XXXXXX";
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) fail("write", path);
  while (!content.empty()) {
    const ssize_t n = ::write(fd.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      ::unlink(temporary.c_str());
      fail("write", path);
    }
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  const bool ok = ::fchmod(fd.get(), mode) == 0 && (!durable || ::fsync(fd.get()) == 0) &&
                  ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!ok) {
    const int saved = errno;
    ::unlink(temporary.c_str());
    errno = saved;
    fail("write", path);
  }
}

TemporaryDirectory::TemporaryDirectory(std::string_view name_prefix) {
  std::string pattern = (std::filesystem::temp_directory_path() / fmt::format("{}XXXXXX", name_prefix)).string();
  if (::mkdtemp(pattern.data()) == nullptr) fail("create a directory like", pattern);
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  reset(other.release());
  return *this;
}

int UniqueFd::release() { return std::exchange(fd_, -1); }

void UniqueFd::reset(int fd) {
  if (fd_ >= 0 && fd_ != fd) ::close(fd_);
  fd_ = fd;
}

}  // namespace rivera::base
