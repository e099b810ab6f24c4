#include "garden/registry/image_documents.h"

#include <algorithm>
#include <optional>

#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>

#include "garden/registry/image_reference.h"
#include "net/crypto/digest.h"

namespace rivera::garden {

namespace json = boost::json;

namespace {

constexpr const char* kBaseDirectory = "org.cloudfoundry.experimental.image.base-directory";
constexpr std::size_t kMostIndexEntries = 1000, kMostUrls = 8, kMostVariables = 10'000;

// The member of an object, by its exact name; nullptr if it is absent or null.
const json::value* member(const json::value& value, std::string_view name) {
  const auto* object = value.if_object();
  const auto* found = object == nullptr ? nullptr : object->if_contains(name);
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::string text_member(const json::value& value, std::string_view name) {
  const auto* found = member(value, name);
  if (found == nullptr) return "";
  const auto* text = found->if_string();
  if (text == nullptr) throw BadImage("the member '" + std::string(name) + "' is no text");
  return std::string(*text);
}

const json::array* array_member(const json::value& value, std::string_view name) {
  const auto* found = member(value, name);
  if (found == nullptr) return nullptr;
  const auto* array = found->if_array();
  if (array == nullptr) throw BadImage("the member '" + std::string(name) + "' is no list");
  return array;
}

std::vector<std::string> texts_member(const json::value& value, std::string_view name, std::size_t most) {
  std::vector<std::string> texts;
  const auto* array = array_member(value, name);
  if (array == nullptr) return texts;
  if (array->size() > most) throw BadImage("the member '" + std::string(name) + "' has too many elements");
  for (const auto& element : *array) {
    const auto* text = element.if_string();
    if (text == nullptr) throw BadImage("an element of '" + std::string(name) + "' is no text");
    texts.emplace_back(*text);
  }
  return texts;
}

json::value parse_document(const char* what, std::string_view text) {
  json::parse_options options;
  options.max_depth = 64;
  json::error_code ec;
  auto value = json::parse(text, ec, {}, options);
  if (ec || !value.is_object()) throw BadImage(std::string("the ") + what + " is not a JSON object");
  return value;
}

Descriptor descriptor_from(const json::value& value) {
  Descriptor descriptor;
  descriptor.media_type = text_member(value, "mediaType");
  descriptor.digest = text_member(value, "digest");
  if (!is_digest(descriptor.digest)) throw BadImage("a descriptor has no valid digest");
  const auto* size = member(value, "size");
  if (size == nullptr || !(size->is_int64() || size->is_uint64()) || (size->is_int64() && size->get_int64() < 0))
    throw BadImage("a descriptor has no valid size");
  descriptor.size = size->to_number<std::uint64_t>();
  descriptor.urls = texts_member(value, "urls", kMostUrls);
  if (const auto* annotations = member(value, "annotations"))
    descriptor.base_directory = text_member(*annotations, kBaseDirectory);
  if (const auto* platform = member(value, "platform")) {
    descriptor.architecture = text_member(*platform, "architecture");
    descriptor.os = text_member(*platform, "os");
  }
  return descriptor;
}

bool is_layer_type(const std::string& type) {
  return type.starts_with("application/vnd.docker.image.rootfs.") ||
         type.starts_with("application/vnd.oci.image.layer.");
}

Index index_from(const json::value& value) {
  const auto* entries = array_member(value, "manifests");
  if (entries == nullptr) throw BadImage("the index has no manifests");
  if (entries->size() > kMostIndexEntries) throw BadImage("the index has too many manifests");
  Index index;
  for (const auto& entry : *entries) index.push_back(descriptor_from(entry));
  return index;
}

Manifest manifest_from(const json::value& value) {
  Manifest manifest;
  const auto* config = member(value, "config");
  const auto* layers = array_member(value, "layers");
  if (config == nullptr || layers == nullptr) throw BadImage("the manifest has no configuration or no layers");
  if (layers->size() > kMostLayers) {
    throw BadImage("the image has " + std::to_string(layers->size()) + " layers; " + std::to_string(kMostLayers) +
                   " are the limit");
  }
  manifest.config = descriptor_from(*config);
  for (const auto& layer : *layers) {
    manifest.layers.push_back(descriptor_from(layer));
    const auto& type = manifest.layers.back().media_type;
    if (!is_layer_type(type)) throw BadImage("layers of the type '" + type.substr(0, 200) + "' are not supported");
  }
  return manifest;
}

}  // namespace

const char* const kManifestTypes =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

std::variant<Manifest, Index> parse_manifest(std::string_view content_type, std::string_view text) {
  const auto value = parse_document("manifest", text);
  std::string type = text_member(value, "mediaType");
  if (type.empty()) type = content_type.substr(0, content_type.find(';'));
  const auto* version = member(value, "schemaVersion");
  if (version != nullptr && version->is_int64() && version->get_int64() == 1)
    throw BadImage("the image has a manifest of schema 1, which registries gave up: push it again");
  // A document that is both would be read as one thing here and as another there.
  if (member(value, "manifests") != nullptr && member(value, "layers") != nullptr)
    throw BadImage("the manifest is an index as well");
  if (type.find("manifest.list") != std::string::npos || type.find("image.index") != std::string::npos)
    return index_from(value);
  if (type.find("manifest.v2") != std::string::npos || type.find("image.manifest") != std::string::npos)
    return manifest_from(value);
  if (member(value, "manifests") != nullptr) return index_from(value);
  return manifest_from(value);
}

ImageConfig parse_image_config(std::string_view text) {
  const auto value = parse_document("image configuration", text);
  ImageConfig config;
  if (const auto* settings = member(value, "config")) {
    config.env = texts_member(*settings, "Env", kMostVariables);
    config.user = text_member(*settings, "User");
    config.working_directory = text_member(*settings, "WorkingDir");
  }
  std::erase_if(config.env, [](const std::string& entry) {
    const auto equals = entry.find('=');
    return equals == 0 || equals == std::string::npos || entry.find('\0') != std::string::npos;
  });
  const auto* rootfs = member(value, "rootfs");
  if (rootfs != nullptr) config.diff_ids = texts_member(*rootfs, "diff_ids", kMostLayers);
  for (const auto& id : config.diff_ids) {
    if (!is_digest(id)) throw BadImage("the image configuration has an invalid diff id");
  }
  return config;
}

std::string_view this_architecture() {
#if defined(__aarch64__)
  return "arm64";
#else
  return "amd64";
#endif
}

const Descriptor& entry_for_this_machine(const Index& index) {
  const auto found = std::ranges::find_if(
      index, [](const Descriptor& entry) { return entry.os == "linux" && entry.architecture == this_architecture(); });
  if (found != index.end()) return *found;
  // An index of one image, which names no platform.
  if (index.size() == 1 && index[0].os.empty() && index[0].architecture.empty()) return index[0];
  throw BadImage("the image is not made for linux/" + std::string(this_architecture()));
}

std::string digest_of(std::string_view content, std::string_view like) {
  const auto colon = like.find(':');
  const std::string_view name = like.substr(0, colon);
  return std::string(name) + ":" + net::hex_digest(net::parse_digest_algorithm(name), content);
}

std::string next_chain_id(const std::string& below, const std::string& diff_id) {
  return below.empty() ? diff_id : digest_of(below + " " + diff_id);
}

void verify(const std::string& what, std::string_view content, const Descriptor& descriptor) {
  if (content.size() != descriptor.size) throw BadImage(what + ": its size is not the one that is given for it");
  if (digest_of(content, descriptor.digest) != descriptor.digest)
    throw BadImage(what + ": its content has another digest than " + descriptor.digest);
}

}  // namespace rivera::garden
