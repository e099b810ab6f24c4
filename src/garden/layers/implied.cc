#include "garden/layers/implied.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdexcept>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rivera::garden {

namespace {

base::UniqueFd open_top(const std::string& directory) {
  base::UniqueFd top(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!top) throw std::system_error(errno, std::generic_category(), "open a layer");
  return top;
}

// Without following any link: what one layer calls a directory is a directory in the other.
base::UniqueFd open_plain(int top, const std::string& name, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
  return base::UniqueFd(
      static_cast<int>(::syscall(SYS_openat2, top, name.empty() ? "." : name.c_str(), &how, sizeof how)));
}

class Completion {
 public:
  Completion(const std::string& layer, const std::vector<std::string>& below) : layer_(open_top(layer)) {
    for (const auto& directory : below) below_.push_back(open_top(directory));
  }

  void check_base(const std::string& name) const {
    if (!find(name, O_RDONLY | O_DIRECTORY)) throw std::runtime_error("base directory not found in parent layer");
  }

  void complete_directory(const std::string& name) const {
    const auto model = find(name, O_RDONLY | O_DIRECTORY);
    const auto own = open_plain(layer_.get(), name, O_RDONLY | O_DIRECTORY);
    struct stat info {};
    if (!model || !own || ::fstat(model.get(), &info) != 0) return;
    const timespec times[2] = {info.st_atim, info.st_mtim};
    if (::fchown(own.get(), info.st_uid, info.st_gid) != 0 || ::fchmod(own.get(), info.st_mode & 07777) != 0 ||
        ::futimens(own.get(), times) != 0) {
      throw std::system_error(errno, std::generic_category(), name);
    }
  }

  void make_link(LayerWriter& writer, const Implied::Link& link) const {
    const auto source = find(link.existing, O_RDONLY | O_NONBLOCK);
    struct stat info {};
    if (!source || ::fstat(source.get(), &info) != 0 || !S_ISREG(info.st_mode))
      throw std::runtime_error(link.name + ": hard link to " + link.existing + ", which no layer has");
    LayerWriter::Attributes attributes{info.st_uid, info.st_gid, info.st_mode & 07777, info.st_mtim, {}};
    const auto copy = writer.create_file(link.existing);
    off_t at = 0;
    while (at < info.st_size) {
      const ssize_t n = ::sendfile(copy.get(), source.get(), &at, static_cast<std::size_t>(info.st_size - at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw std::system_error(errno, std::generic_category(), link.name);
    }
    writer.finish_file(link.existing, copy, attributes);
    writer.make_hard_link(link.name, link.existing);
  }

 private:
  // In the highest layer that has it.
  base::UniqueFd find(const std::string& name, std::uint64_t flags) const {
    for (const auto& top : below_) {
      auto found = open_plain(top.get(), name, flags);
      if (found) return found;
    }
    return {};
  }

  base::UniqueFd layer_;
  std::vector<base::UniqueFd> below_;
};

}  // namespace

void complete_implied(const std::string& layer, const Implied& implied, const std::vector<std::string>& below,
                      const std::string& base_directory) {
  if (implied.empty() && base_directory.empty()) return;
  const Completion completion(layer, below);
  if (!base_directory.empty()) completion.check_base(base_directory);
  LayerWriter writer(layer);
  for (const auto& link : implied.links) completion.make_link(writer, link);
  for (const auto& name : implied.directories) completion.complete_directory(name);
  for (const auto& name : writer.implied().directories) {
    if (!name.empty()) completion.complete_directory(name);
  }
}

}  // namespace rivera::garden
