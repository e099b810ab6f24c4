// Mounting an overlay over layers.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"

namespace rivera::garden {

struct Overlay {
  // The layers' directory: `layers` names those in it, lowest first, at least one. It may be a mount that is mounted
  // nowhere; older kernels (before about 6.15) refuse that with EINVAL.
  const base::UniqueFd& directory;
  const std::vector<std::string>& layers;
  std::string upper, work, target;  // directories; upper and work on one file system
  std::string scratch;              // a directory for short names, while it mounts
};

// The most layers that the kernel takes.
inline constexpr std::size_t kMostOverlayLayers = 500;

// Layer by layer where the kernel takes them so (Linux 6.5), else as one text, for which layers whose names do not fit
// get short names for the moment. What a container synchronises need not reach the disk: the mount is volatile. Blocks.
// Throws std::system_error.
void mount_overlay(const Overlay& overlay);

// The two ways of mount_overlay(), for tests.
void mount_overlay_by_layers(const Overlay& overlay);
void mount_overlay_by_text(const Overlay& overlay);

}  // namespace rivera::garden
