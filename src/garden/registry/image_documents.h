// The JSON documents of images: manifests, indexes and configurations of Docker (schema 2) and OCI. Pure.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rivera::garden {

// An image's documents say something impossible, or what is not supported.
class BadImage : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A piece of content and what it must be.
struct Descriptor {
  std::string media_type;
  std::string digest;  // valid (is_digest())
  std::uint64_t size = 0;
  std::vector<std::string> urls;  // where else it can be fetched
  std::string base_directory;     // layers: the directory of the image at which the layer is unpacked; "" = the top
  std::string architecture, os;   // entries of an index
};

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;  // lowest first
};

// A size that is not known before the download.
inline constexpr std::uint64_t kUnknownSize = std::uint64_t{1} << 62;

using Index = std::vector<Descriptor>;

struct ImageConfig {
  std::vector<std::string> env;       // "NAME=value"
  std::string user;                   // "name[:group]"
  std::string working_directory;      // absolute, or ""
  std::vector<std::string> diff_ids;  // one for each layer, lowest first: digests of the uncompressed layers
};

// The most layers that an image may have, and the most bytes of each document.
inline constexpr std::size_t kMostLayers = 500;
inline constexpr std::size_t kMostManifestBytes = 4u << 20;
inline constexpr std::size_t kMostConfigBytes = 8u << 20;

// The media types to ask a registry for, comma separated.
extern const char* const kManifestTypes;

// `content_type` decides where the document does not name its own type. All throw BadImage.
std::variant<Manifest, Index> parse_manifest(std::string_view content_type, std::string_view text);
ImageConfig parse_image_config(std::string_view text);

// The entry for this machine: Linux, and the architecture that this program was built for.
const Descriptor& entry_for_this_machine(const Index& index);
std::string_view this_architecture();  // "amd64", "arm64"

// A layer's identity within the image: the first layer's, with nothing `below`, is its diff id, each next one's the
// SHA-256 of "<the one below> <diff id>" (OCI image specification, "Layer ChainID").
std::string next_chain_id(const std::string& below, const std::string& diff_id);

// Throws BadImage("<what>: …") unless `content` has the size and the digest of the descriptor.
void verify(const std::string& what, std::string_view content, const Descriptor& descriptor);
// The digest of a text, by the algorithm of `like` ("sha256:…").
std::string digest_of(std::string_view content, std::string_view like = "sha256:");

}  // namespace rivera::garden
