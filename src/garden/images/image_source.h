// Where the parts of an image are: what a root file system's URI stands for (docs/spec/garden.md §2.2).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "garden/registry/registry_session.h"

namespace rivera::garden {

struct LayerSource {
  std::string chain_id;
  std::string diff_id;         // digest of the uncompressed content; "" = not verified
  std::string base_directory;  // where in the image it is unpacked; "" = the top
  // One of: a directory or tar file on this machine (verified if `blob` has a digest), a blob of the registry, a URL.
  std::string path;
  Descriptor blob;
  std::string url;
};

struct ImageSource {
  std::string name;                 // for messages
  std::vector<LayerSource> layers;  // lowest first
  std::vector<std::string> env;
  std::shared_ptr<RegistrySession> session;  // of layers with a blob or a URL
};

// Every function blocks, and throws std::runtime_error or BadImage.

// "/path/of/a/directory" or "/path/file.tar". A source is identified by its path and its own modification time: after a
// change deep inside a directory, touch the directory.
ImageSource local_source(const std::string& path);

// "oci:///path[#tag]": a directory with the OCI image layout, or a tar file of one, which is unpacked below `archives`.
ImageSource oci_source(const std::string& uri, const std::string& archives);

// "preloaded+layer:/path/base.tar?layer=URL&layer_path=DIR&layer_digest=HEX". The session is left to the caller.
ImageSource preloaded_layer_source(const std::string& uri);

// The layers of a manifest that comes from a registry or a layout, without their paths.
ImageSource source_of(const std::string& name, const Manifest& manifest, const ImageConfig& config);

}  // namespace rivera::garden
