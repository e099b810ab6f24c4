#include <fcntl.h>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "garden/ids/id_mapping.h"
#include "garden/layers/implied.h"
#include "garden/layers/unpack.h"
#include "jail.h"
#include "tar_script.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

constexpr std::uint64_t kMostBytes = 1u << 20;
constexpr const char* kBelow = "/again";

// A layer below, of which the archive may take directories and files.
void make_layer_below() {
  const std::string below = kBelow;
  const bool is_made = ::mkdir((below + "/a").c_str(), 0750) == 0 && ::mkdir((below + "/a/b").c_str(), 0700) == 0 &&
                       ::symlink("/outside", (below + "/c").c_str()) == 0;
  if (!is_made) broken("a layer can be made");
  const base::UniqueFd file(::open((below + "/a/c").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640));
  if (!file || ::write(file.get(), "below", 5) != 5) broken("a file can be made");
}

void unpack(const garden::UnpackOptions& options) {
  static const garden::IdMapping mapping = garden::own_mapping(100'000, 65'536);
  try {
    const auto unpacked = garden::unpack_tar("/archive", "/inside", mapping, options);
    if (unpacked.figures.bytes > options.most_bytes) broken("a layer holds no more than its limit");
    if (unpacked.figures.entries > options.most_entries) broken("a layer has no more entries than its limit");
    garden::complete_implied("/inside", unpacked.implied, {kBelow}, options.base_directory);
  } catch (const std::runtime_error& e) {
    if (std::string_view(e.what()).empty()) broken("an error has a text");
  }
}

}  // namespace

void layers(std::string_view bytes) {
  if (bytes.empty()) return;
  garden::UnpackOptions options;
  options.most_bytes = kMostBytes;
  options.most_entries = 200;
  if ((bytes.front() & 1) != 0) options.base_directory = (bytes.front() & 2) != 0 ? "a/b" : "c";
  in_jail([&] {
    make_layer_below();
    const std::string below = listing(kBelow);
    ::close(file_in_jail("archive", tar_of(bytes.substr(1))));
    unpack(options);
    check_outside("archive");
    if (listing(kBelow) != below) broken("the layers below stay as they are");
    if (usage_of("/inside").has_nodes) broken("the only nodes of a layer are whiteouts");
    for_each_attribute("/inside", [](const std::string& name, const std::string& value) {
      const bool is_ours = name == "trusted.overlay.opaque" && value == "y";
      if (!is_ours && !name.starts_with("user.") && name != "security.capability") {
        broken("an archive sets no attributes that change how a layer is stacked: " + name);
      }
    });
  });
}

}  // namespace rivera::fuzz
