// Names of images in registries (docs/spec/garden.md §2.2, §4.3). Pure.
#pragma once

#include <string>
#include <string_view>

namespace rivera::garden {

struct ImageReference {
  std::string registry;    // "host" or "host:port"
  std::string repository;  // "library/busybox"
  std::string tag;         // "" if a digest is given
  std::string digest;      // "sha256:<hex>", or ""

  // What names the manifest in the registry's API: the digest if there is one.
  const std::string& version() const { return digest.empty() ? tag : digest; }
  // "registry/repository:tag", for messages.
  std::string text() const;
};

// "docker://[host[:port]]/repository[#tag | :tag][@digest]". Without a host, `default_registry`. docker.io is
// registry-1.docker.io, where a repository without a slash is in "library/". The tag is "latest" by default. Throws
// std::invalid_argument; the message holds nothing of a name with credentials in it.
ImageReference parse_image_reference(std::string_view uri, std::string_view default_registry);

// An image's URI as it may be logged: without a query, which may hold a signed URL, and without a user and password.
std::string loggable_image_uri(std::string_view uri);

// "sha256:" or "sha512:" and lower-case hexadecimal digits of the right length.
bool is_digest(std::string_view text);

}  // namespace rivera::garden
