#include "garden/network/bind_files.h"

#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/files.h"

namespace rivera::garden {

namespace {

// "" if there is none.
std::string content_of(const char* path) {
  std::ifstream file(path);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

[[noreturn]] void fail_to_write(const std::string& path) {
  throw std::system_error(errno, std::generic_category(), "write " + path);
}

}  // namespace

void BindFiles::add_to(BundleInput& bundle) const {
  bundle.system_mounts.push_back({hosts, "/etc/hosts", true});
  bundle.system_mounts.push_back({resolv_conf, "/etc/resolv.conf", true});
}

void create_bind_file(const std::string& path, const std::string& content, const IdMapping& mapping) {
  base::write_file_atomically(path, content, 0644);
  if (::chown(path.c_str(), mapping.host_uid(0), mapping.host_gid(0)) != 0 || ::chmod(path.c_str(), 0644) != 0) {
    throw std::system_error(errno, std::generic_category(), "prepare " + path);
  }
}

void fill_bind_file(const std::string& path, const std::string& content) {
  const base::UniqueFd file(::open(path.c_str(), O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC));
  if (!file) fail_to_write(path);
  std::size_t written = 0;
  while (written < content.size()) {
    const ssize_t n = ::write(file.get(), content.data() + written, content.size() - written);
    if (n < 0 && errno != EINTR) fail_to_write(path);
    if (n > 0) written += static_cast<std::size_t>(n);
  }
}

HostResolver read_host_resolver() {
  return {content_of("/etc/resolv.conf"), content_of("/run/systemd/resolve/resolv.conf")};
}

}  // namespace rivera::garden
