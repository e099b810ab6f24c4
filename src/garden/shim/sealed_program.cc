#include "garden/shim/sealed_program.h"

#include <algorithm>
#include <cstdlib>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

namespace rivera::garden::shim {

namespace {

constexpr unsigned kExecutable = 0x10;  // MFD_EXEC
constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

// Kernels before 6.3 do not know MFD_EXEC, later ones may ask for it.
Fd make_file(const char* name) {
  Fd file(::memfd_create(name, kFlags | kExecutable));
  return file ? std::move(file) : Fd(::memfd_create(name, kFlags));
}

}  // namespace

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  const std::string places = path == nullptr ? "/bin:/usr/bin" : path;
  for (std::size_t at = 0; at <= places.size();) {
    const std::size_t end = std::min(places.find(':', at), places.size());
    std::string candidate = places.substr(at, end - at) + "/" + name;
    if (end > at && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    at = end + 1;
  }
  return "";
}

Fd sealed_copy(const std::string& path) {
  const Fd program(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!program || ::fstat(program.get(), &info) != 0 || !S_ISREG(info.st_mode)) return Fd();
  Fd copy = make_file("runtime");
  if (!copy) return Fd();
  for (off_t at = 0; at < info.st_size;) {
    const ssize_t n = ::sendfile(copy.get(), program.get(), &at, static_cast<std::size_t>(info.st_size - at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Fd();
  }
  if (::fcntl(copy.get(), F_ADD_SEALS, kSeals) != 0) return Fd();
  return copy;
}

}  // namespace rivera::garden::shim
