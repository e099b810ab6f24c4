// What is mounted on this host. Every function blocks.
#pragma once

#include <set>
#include <string>

namespace rivera::garden {

// Whether something is mounted at this directory.
bool is_mount_point(const std::string& directory);

// The last components of the lower directories of all overlays in our mount namespace, if they are below `directory`.
std::set<std::string> mounted_layers(const std::string& directory);

}  // namespace rivera::garden
