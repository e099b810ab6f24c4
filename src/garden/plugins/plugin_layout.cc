#include "garden/plugins/plugin_layout.h"

#include <cstring>
#include <filesystem>
#include <map>
#include <sys/stat.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/files.h"
#include "clients/garden/garden_types.h"
#include "net/crypto/digest.h"
#include "net/http/http.h"

namespace rivera::garden {

namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kSchemaVersion = "schemaVersion";

[[noreturn]] void fail(const std::string& what) { throw clients::garden::GardenError("creating image spec: " + what); }

struct LayerReference {
  std::string path;  // of the base's tar file
  std::map<std::string, std::string> query;
};

LayerReference parse_reference(const std::string& uri) {
  LayerReference reference;
  std::string rest = uri.substr(std::strlen(kPreloadedPlusLayer));
  if (rest.starts_with("//")) rest.erase(0, 2);
  const auto mark = rest.find('?');
  reference.path = net::percent_decode(rest.substr(0, mark));
  std::string query = mark == std::string::npos ? "" : rest.substr(mark + 1);
  for (std::size_t at = 0; at < query.size();) {
    const std::size_t end = std::min(query.find('&', at), query.size());
    const std::string pair = query.substr(at, end - at);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string value = equals < pair.size() ? pair.substr(equals + 1) : "";
    reference.query.emplace(net::percent_decode(pair.substr(0, equals), true), net::percent_decode(value, true));
    at = end + 1;
  }
  return reference;
}

std::string query_value(const std::string& uri, const LayerReference& reference, const std::string& key) {
  const auto found = reference.query.find(key);
  if (found == reference.query.end()) fail("no query parameter '" + key + "' found in URL " + uri);
  return found->second;
}

std::string digest_of(const std::string& text) { return net::hex_digest(net::DigestAlgorithm::kSha256, text); }

// Also for files of other versions: its name changes with the file.
std::string base_id(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) fail("stat " + path + ": " + std::strerror(errno));
  const auto mtime = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  return digest_of(path + "-" + std::to_string(mtime));
}

struct Blob {
  std::string digest;
  std::size_t size = 0;
};

Blob write_blob(const fs::path& blobs, const json::object& content) {
  const std::string text = json::serialize(content);
  Blob blob{digest_of(text), text.size()};
  base::write_file_atomically((blobs / blob.digest).string(), text, 0644);
  return blob;
}

json::object descriptor(const std::string& media_type, const Blob& blob) {
  return {{"mediaType", media_type}, {"digest", "sha256:" + blob.digest}, {"size", blob.size}};
}

}  // namespace

std::string write_plugin_layout(const std::string& uri, const std::string& directory) {
  const LayerReference reference = parse_reference(uri);
  const std::string url = query_value(uri, reference, "layer"), path = query_value(uri, reference, "layer_path"),
                    top = query_value(uri, reference, "layer_digest");
  const std::string base = base_id(reference.path);
  const fs::path blobs = fs::path(directory) / "blobs/sha256";
  fs::create_directories(blobs);
  const std::string layer_type = "application/vnd.oci.image.layer.v1.tar";
  const Blob config = write_blob(
      blobs,
      {{"architecture", "amd64"},
       {"os", "linux"},
       {"config", json::object()},
       {"rootfs", json::object{{"type", "layers"}, {"diff_ids", json::array{"sha256:" + base, "sha256:" + top}}}}});
  json::object top_layer = descriptor(layer_type + "+gzip", {top, 0});
  top_layer["urls"] = json::array{url};
  top_layer["annotations"] = json::object{{"org.cloudfoundry.experimental.image.base-directory", path}};
  const Blob manifest =
      write_blob(blobs, {{kSchemaVersion, 2},
                         {"config", descriptor("application/vnd.oci.image.config.v1+json", config)},
                         {"layers", json::array{descriptor(layer_type, {base, 0}), std::move(top_layer)}}});
  const json::object index{
      {kSchemaVersion, 2},
      {"manifests", json::array{descriptor("application/vnd.oci.image.manifest.v1+json", manifest)}}};
  base::write_file_atomically(directory + "/index.json", json::serialize(index), 0644);
  base::write_file_atomically(directory + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})", 0644);
  std::error_code ec;
  fs::create_symlink(reference.path, blobs / base, ec);
  if (ec && ec != std::errc::file_exists) fail("link " + reference.path + ": " + ec.message());
  return "oci://" + directory;
}

}  // namespace rivera::garden
