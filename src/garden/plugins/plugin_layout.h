// "preloaded+layer:" images for image plugins.
#pragma once

#include <string>

namespace rivera::garden {

inline constexpr const char* kPreloadedPlusLayer = "preloaded+layer:";

// Writes, into the new directory `directory`, an OCI image layout of the two layers that
// "preloaded+layer:/base.tar?layer=URL&layer_path=DIR&layer_digest=HEX" names (docs/spec/garden.md §2.2): the base as a
// link to its file, the other for the plugin to get. Returns the layout's "oci://" URI. Throws GardenError("creating
// image spec: …"). Blocks.
std::string write_plugin_layout(const std::string& uri, const std::string& directory);

}  // namespace rivera::garden
