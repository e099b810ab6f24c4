#include "garden/images/image_source.h"

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>

#include <boost/json/parse.hpp>

#include "base/files.h"
#include "base/ids.h"
#include "base/untrusted/tree.h"
#include "clients/garden/garden_types.h"
#include "garden/layers/unpack.h"

namespace rivera::garden {

namespace fs = std::filesystem;
using clients::garden::GardenError;

namespace {

constexpr std::string_view kOci = "oci://", kPreloadedLayer = "preloaded+layer:";
constexpr const char* kTagName = "org.opencontainers.image.ref.name";

std::string chain_id_of_path(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) throw GardenError("image source doesn't exist: " + path);
  const std::int64_t modified = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  return digest_of(path + "-" + std::to_string(modified));
}

std::string read_bounded(const fs::path& path, std::uint64_t most) {
  std::error_code ec;
  const auto size = fs::file_size(path, ec);
  if (ec) throw BadImage("the image has no " + path.filename().string());
  if (size > most) throw BadImage("a document of the image has more than " + std::to_string(most) + " bytes");
  return base::read_file(path);
}

// The files of an OCI image layout.
class Layout {
 public:
  explicit Layout(fs::path directory) : directory_(std::move(directory)) {}

  fs::path blob(const Descriptor& descriptor) const {
    const auto colon = descriptor.digest.find(':');  // valid: no part can lead elsewhere
    return directory_ / "blobs" / descriptor.digest.substr(0, colon) / descriptor.digest.substr(colon + 1);
  }
  std::string document(const Descriptor& descriptor, std::size_t most) const {
    std::string text = read_bounded(blob(descriptor), most);
    verify("a document of the image", text, descriptor);
    return text;
  }
  // The entry of index.json with this tag, or the only one.
  Descriptor entry(const std::string& tag) const {
    const std::string text = read_bounded(directory_ / "index.json", kMostManifestBytes);
    const auto parsed = parse_manifest("application/vnd.oci.image.index.v1+json", text);
    const auto* index = std::get_if<Index>(&parsed);
    if (index == nullptr) throw BadImage("index.json is no index");
    if (tag.empty()) {
      if (index->size() == 1) return index->front();
      return entry_for_this_machine(*index);
    }
    // Tags are annotations, which an index's entries have in their order.
    const auto json = boost::json::parse(text);
    const auto& entries = json.at("manifests").as_array();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto* annotations = entries[i].as_object().if_contains("annotations");
      const auto* object = annotations == nullptr ? nullptr : annotations->if_object();
      const auto* name = object == nullptr ? nullptr : object->if_contains(kTagName);
      if (name != nullptr && name->is_string() && name->get_string() == tag) return (*index)[i];
    }
    throw BadImage("the image layout has no tag " + tag);
  }

 private:
  fs::path directory_;
};

// Unpacked once for each state of the file; others may do the same at the same time.
std::string unpacked_archive(const std::string& path, const std::string& archives) {
  const std::string id = chain_id_of_path(path).substr(std::string_view("sha256:").size());
  std::string directory = archives + "/" + id;
  if (fs::exists(directory)) return directory;
  const std::string draft = directory + "." + base::new_guid();
  fs::create_directory(draft);
  try {
    unpack_tar(path, draft, IdMapping{});
    std::error_code ec;
    fs::rename(draft, directory, ec);
    if (ec && !fs::exists(directory)) throw std::system_error(ec, "unpack " + path);
    if (ec) base::remove_tree(draft);
  } catch (...) {
    base::remove_tree(draft);
    throw;
  }
  return directory;
}

std::string query_value(const std::string& uri, const std::string& query, const std::string& key) {
  net::RequestHead head;
  head.target = "/?" + query;
  const auto value = head.query_value(key);
  if (!value || value->empty())
    throw GardenError("creating image spec: no query parameter '" + key + "' found in URL " +
                      uri.substr(0, uri.find('?')));
  return *value;
}

}  // namespace

ImageSource local_source(const std::string& path) {
  ImageSource source;
  source.name = path;
  LayerSource layer;
  layer.chain_id = chain_id_of_path(path);
  layer.path = path;
  source.layers.push_back(std::move(layer));
  return source;
}

ImageSource source_of(const std::string& name, const Manifest& manifest, const ImageConfig& config) {
  if (manifest.layers.empty()) throw BadImage("the image " + name + " has no layers");
  if (config.diff_ids.size() != manifest.layers.size())
    throw BadImage("the image " + name + " has another number of layers than of diff ids");
  ImageSource source;
  source.name = name;
  source.env = config.env;
  std::string chain;
  for (std::size_t i = 0; i < config.diff_ids.size(); ++i) {
    const Descriptor& blob = manifest.layers[i];
    LayerSource layer;
    chain = next_chain_id(chain, config.diff_ids[i]);
    // At another place it is another layer, and so is each one above it: what a layer leaves out it takes from below.
    if (!blob.base_directory.empty()) chain = digest_of(chain + " at " + digest_of(blob.base_directory));
    layer.chain_id = chain;
    layer.diff_id = config.diff_ids[i];
    layer.base_directory = blob.base_directory;
    layer.blob = blob;
    source.layers.push_back(std::move(layer));
  }
  return source;
}

ImageSource oci_source(const std::string& uri, const std::string& archives) {
  std::string path = uri.substr(kOci.size());
  std::string tag;
  if (const auto hash = path.find('#'); hash != std::string::npos) {
    tag = path.substr(hash + 1);
    path.resize(hash);
  }
  if (path.empty() || path[0] != '/') throw GardenError("the path of an OCI image must be absolute: " + uri);
  if (!fs::exists(path)) throw GardenError("image source doesn't exist: " + path);
  const Layout layout(fs::is_directory(path) ? path : unpacked_archive(path, archives));
  Descriptor entry = layout.entry(tag);
  std::optional<Manifest> manifest;
  for (int depth = 0; !manifest; ++depth) {
    if (depth == 3) throw BadImage("the image's indexes are nested too deep");
    const auto parsed = parse_manifest(entry.media_type, layout.document(entry, kMostManifestBytes));
    if (const auto* index = std::get_if<Index>(&parsed)) {
      const Descriptor next = entry_for_this_machine(*index);
      entry = next;
    } else {
      manifest = std::get<Manifest>(parsed);
    }
  }
  ImageSource source =
      source_of(path, *manifest, parse_image_config(layout.document(manifest->config, kMostConfigBytes)));
  for (auto& layer : source.layers) layer.path = layout.blob(layer.blob);
  return source;
}

ImageSource preloaded_layer_source(const std::string& uri) {
  const std::string rest = uri.substr(kPreloadedLayer.size());
  const auto question = rest.find('?');
  std::string path = rest.substr(0, question);
  if (path.starts_with("//")) path = path.substr(path.find('/', 2) == std::string::npos ? 0 : path.find('/', 2));
  const std::string query = question == std::string::npos ? "" : rest.substr(question + 1);
  ImageSource source = local_source(path);
  LayerSource layer;
  layer.url = query_value(uri, query, "layer");
  layer.base_directory = query_value(uri, query, "layer_path");
  std::string digest = query_value(uri, query, "layer_digest");
  if (!digest.starts_with("sha256:")) digest.insert(0, "sha256:");
  if (!is_digest(digest)) throw GardenError("creating image spec: the layer's digest is no SHA-256");
  layer.blob.digest = digest;
  layer.blob.size = kUnknownSize;
  layer.chain_id = digest_of(source.layers[0].chain_id + " " + digest + " at " + layer.base_directory);
  source.layers.push_back(std::move(layer));
  return source;
}

}  // namespace rivera::garden
