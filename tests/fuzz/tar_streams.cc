#include <filesystem>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

#include "base/untrusted/tree.h"
#include "garden/shim/enter.h"
#include "garden/shim/fd.h"
#include "garden/shim/tar_create.h"
#include "garden/shim/tar_extract.h"
#include "jail.h"
#include "tar_script.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

namespace shim = garden::shim;

constexpr std::uint64_t kMostBytes = 1u << 20;

// False if the stream was refused.
template <typename Work>
bool accepts(Work work) {
  try {
    work();
    return true;
  } catch (const std::runtime_error& e) {
    if (std::string_view(e.what()).empty()) broken("an error has a text");
    return false;
  }
}

// Archives are unpacked with the rights of the container's user, who may have links in it followed; the jail stands for
// the container. What has arrived is streamed out, and in again elsewhere.
void stream(std::string_view script) {
  in_jail([&] {
    const shim::Fd archive(file_in_jail("archive", tar_of(script)));
    accepts([&] { shim::extract_tar(archive.get()); });
    const Usage usage = usage_of("/inside");
    if (usage.has_set_id) broken("no set-id bit is taken over");
    const bool has_access_lists = script.find("posix_acl") != std::string_view::npos;  // they change modes
    if (usage.bytes > kMostBytes || has_access_lists) return;
    const shim::Fd stream(file_in_jail("stream"));
    if (!accepts([&] { shim::create_tar("/inside/", stream.get()); })) return;
    const std::string before = listing("/inside");
    base::remove_tree("/again");
    if (::mkdir("/again", 0755) != 0 || ::chdir("/again") != 0) broken("a directory can be made");
    ::lseek(stream.get(), 0, SEEK_SET);
    shim::extract_tar(stream.get());
    if (listing("/again") != before) broken("what is streamed out is what streams in");
  });
}

// The files of a container that say who its users are.
void users(std::string_view bytes) {
  in_jail([&] {
    if (::mkdir("/etc", 0755) != 0) broken("a directory can be made");
    ::close(file_in_jail("etc/passwd", bytes));
    for (const char* name : {"", "root", "vcap", "a"}) {
      shim::User user;
      if (!accepts([&] { user = shim::find_user(name); })) continue;
      if (user.home.empty() || user.home.size() > bytes.size() + 1) broken("a user has a home");
    }
    if (shim::name_of_id("/etc/passwd", 0).size() > bytes.size()) broken("a name comes out of the file");
  });
}

}  // namespace

void tar_streams(std::string_view bytes) {
  if (bytes.empty()) return;
  const auto kind = static_cast<unsigned char>(bytes.front()) % 4;
  return kind == 3 ? users(bytes.substr(1)) : stream(bytes);
}

}  // namespace rivera::fuzz
