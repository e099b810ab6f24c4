// Calls a program of `--image-plugin` or `--privileged-image-plugin` (docs/spec/garden.md §2.3).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/log/log.h"
#include "clients/garden/garden_types.h"
#include "garden/bundle/bundle.h"

namespace rivera::garden {

// What a plugin made.
struct PluginImage {
  std::string root;              // directory
  std::vector<std::string> env;  // of the image's configuration
  std::vector<Mount> mounts;     // come before all others
};

// Every call blocks until the program has ended, for minutes at the most; may be made from any thread. Throws
// GardenError with the texts of §1.7. The program's log, on its error output, becomes part of ours.
class ImagePlugin {
 public:
  // Without a program no call may be made.
  ImagePlugin(std::string program, std::vector<std::string> extra_arguments, base::Logger logger);

  bool is_configured() const { return !program_.empty(); }

  PluginImage create(const std::string& handle, const clients::garden::ImageRef& image,
                     const clients::garden::DiskLimits& disk) const;
  void destroy(const std::string& handle) const;
  clients::garden::DiskStat stats(const std::string& handle) const;
  // Bytes.
  std::uint64_t capacity() const;

 private:
  std::string run(const std::string& action, const std::vector<std::string>& arguments) const;

  std::string program_;
  std::vector<std::string> extra_arguments_;
  base::Logger logger_;
};

}  // namespace rivera::garden
