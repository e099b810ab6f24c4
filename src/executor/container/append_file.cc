#include "executor/container/append_file.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/files.h"

namespace rivera::executor {

std::uint64_t append_to_file(const std::filesystem::path& path, std::string_view bytes) {
  const base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot open " + path.string());
  }
  const auto size = static_cast<std::uint64_t>(status.st_size) + bytes.size();
  while (!bytes.empty()) {
    const auto count = ::write(fd.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int reason = errno;
      [[maybe_unused]] const int ignored = ::ftruncate(fd.get(), status.st_size);
      throw std::system_error(reason, std::generic_category(), "cannot write " + path.string());
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return size;
}

}  // namespace rivera::executor
