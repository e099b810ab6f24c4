#include "garden/testing/test_image.h"

#include <archive.h>
#include <archive_entry.h>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <boost/json/serialize.hpp>

namespace rivera::garden {

namespace json = boost::json;

namespace {

la_ssize_t append_to(archive*, void* text, const void* bytes, std::size_t size) {
  static_cast<std::string*>(text)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

void check(archive* a, int result) {
  if (result != ARCHIVE_OK) throw std::runtime_error(::archive_error_string(a));
}

}  // namespace

struct TestTar::State {
  archive* writer = ::archive_write_new();
  std::string bytes;
  std::map<std::string, std::string> attributes;
  uid_t uid = 0;
  gid_t gid = 0;
};

TestTar::TestTar() : state_(std::make_unique<State>()) {
  check(state_->writer, ::archive_write_set_format_pax(state_->writer));
  ::archive_write_set_bytes_in_last_block(state_->writer, 1);
  check(state_->writer, ::archive_write_open(state_->writer, &state_->bytes, nullptr, &append_to, nullptr));
}

TestTar::~TestTar() {
  if (state_->writer != nullptr) ::archive_write_free(state_->writer);
}

TestTar& TestTar::add(const std::string& name, unsigned type, mode_t mode, const std::string& content,
                      const std::string& symbolic, const std::string& hard) {
  archive_entry* entry = ::archive_entry_new();
  ::archive_entry_set_pathname(entry, name.c_str());
  ::archive_entry_set_filetype(entry, type);
  ::archive_entry_set_perm(entry, mode);
  ::archive_entry_set_uid(entry, state_->uid);
  ::archive_entry_set_gid(entry, state_->gid);
  ::archive_entry_set_mtime(entry, 1'000'000, 0);
  if (type == AE_IFREG) ::archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
  if (!symbolic.empty()) ::archive_entry_set_symlink(entry, symbolic.c_str());
  if (!hard.empty()) ::archive_entry_set_hardlink(entry, hard.c_str());
  for (const auto& [key, value] : state_->attributes)
    ::archive_entry_xattr_add_entry(entry, key.c_str(), value.data(), value.size());
  state_->attributes.clear();
  state_->uid = 0;
  state_->gid = 0;
  check(state_->writer, ::archive_write_header(state_->writer, entry));
  if (!content.empty()) ::archive_write_data(state_->writer, content.data(), content.size());
  ::archive_entry_free(entry);
  return *this;
}

TestTar& TestTar::directory(const std::string& name, mode_t mode) { return add(name, AE_IFDIR, mode, "", "", ""); }
TestTar& TestTar::file(const std::string& name, const std::string& content, mode_t mode) {
  return add(name, AE_IFREG, mode, content, "", "");
}
TestTar& TestTar::symbolic_link(const std::string& name, const std::string& destination) {
  return add(name, AE_IFLNK, 0777, "", destination, "");
}
TestTar& TestTar::hard_link(const std::string& name, const std::string& existing, const std::string& content) {
  return add(name, AE_IFREG, 0644, content, "", existing);
}
TestTar& TestTar::node(const std::string& name, Node kind) {
  return add(name, kind == Node::kCharacter ? AE_IFCHR : kind == Node::kBlock ? AE_IFBLK : AE_IFIFO, 0666, "", "", "");
}

TestTar& TestTar::with_attribute(const std::string& key, const std::string& value) {
  state_->attributes[key] = value;
  return *this;
}

TestTar& TestTar::with_owner(uid_t uid, gid_t gid) {
  state_->uid = uid;
  state_->gid = gid;
  return *this;
}

std::string TestTar::bytes() {
  check(state_->writer, ::archive_write_close(state_->writer));
  ::archive_write_free(state_->writer);
  state_->writer = nullptr;
  return state_->bytes;
}

void TestTar::write_file(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file) throw std::runtime_error("cannot write " + path);
}

std::string compress(const std::string& bytes, Compression compression) {
  if (compression == Compression::kNone) return bytes;
  std::string out;
  archive* writer = ::archive_write_new();
  check(writer, ::archive_write_set_format_raw(writer));
  check(writer, compression == Compression::kGzip ? ::archive_write_add_filter_gzip(writer)
                                                  : ::archive_write_add_filter_zstd(writer));
  ::archive_write_set_bytes_in_last_block(writer, 1);
  check(writer, ::archive_write_open(writer, &out, nullptr, &append_to, nullptr));
  archive_entry* entry = ::archive_entry_new();
  ::archive_entry_set_filetype(entry, AE_IFREG);
  check(writer, ::archive_write_header(writer, entry));
  ::archive_write_data(writer, bytes.data(), bytes.size());
  ::archive_entry_free(entry);
  check(writer, ::archive_write_close(writer));
  ::archive_write_free(writer);
  return out;
}

TestLayer test_layer(TestTar& tar, Compression compression) {
  const std::string bytes = tar.bytes();
  TestLayer layer;
  layer.diff_id = digest_of(bytes);
  layer.blob = compress(bytes, compression);
  layer.digest = digest_of(layer.blob);
  layer.media_type = "application/vnd.oci.image.layer.v1.tar";
  if (compression == Compression::kGzip) layer.media_type += "+gzip";
  if (compression == Compression::kZstd) layer.media_type += "+zstd";
  return layer;
}

std::string test_manifest(const std::string& config, const std::vector<TestLayer>& layers) {
  json::array list;
  for (const auto& layer : layers) {
    list.push_back({{"mediaType", layer.media_type}, {"digest", layer.digest}, {"size", layer.blob.size()}});
  }
  return json::serialize(json::object{{"schemaVersion", 2},
                                      {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                                      {"config",
                                       {{"mediaType", "application/vnd.oci.image.config.v1+json"},
                                        {"digest", digest_of(config)},
                                        {"size", config.size()}}},
                                      {"layers", std::move(list)}});
}

TestImage test_image(const std::vector<TestLayer>& layers, const std::vector<std::string>& env) {
  json::array diff_ids, variables;
  for (const auto& layer : layers) diff_ids.emplace_back(layer.diff_id);
  for (const auto& variable : env) variables.emplace_back(variable);
  const std::string config = json::serialize(
      json::object{{"architecture", std::string(this_architecture())},
                   {"os", "linux"},
                   {"config", {{"Env", std::move(variables)}, {"User", "vcap"}, {"WorkingDir", "/tmp"}}},
                   {"rootfs", {{"type", "layers"}, {"diff_ids", std::move(diff_ids)}}}});
  TestImage image;
  image.blobs[digest_of(config)] = config;
  for (const auto& layer : layers) image.blobs[layer.digest] = layer.blob;
  image.manifest = test_manifest(config, layers);
  image.manifest_type = "application/vnd.oci.image.manifest.v1+json";
  image.manifest_digest = digest_of(image.manifest);
  return image;
}

TestImage test_index(const TestImage& image) {
  const auto entry = [&](const std::string& digest, std::size_t size, const std::string& architecture) {
    return json::object{{"mediaType", image.manifest_type},
                        {"digest", digest},
                        {"size", size},
                        {"platform", {{"architecture", architecture}, {"os", "linux"}}}};
  };
  TestImage index;
  index.manifest = json::serialize(json::object{
      {"schemaVersion", 2},
      {"mediaType", "application/vnd.oci.image.index.v1+json"},
      {"manifests",
       json::array{entry(digest_of("other"), 5, "riscv64"),
                   entry(image.manifest_digest, image.manifest.size(), std::string(this_architecture()))}}});
  index.manifest_type = "application/vnd.oci.image.index.v1+json";
  index.manifest_digest = digest_of(index.manifest);
  return index;
}

void save_layout(const std::string& directory, const TestImage& image, const std::string& tag) {
  namespace fs = std::filesystem;
  fs::create_directories(directory + "/blobs/sha256");
  auto blobs = image.blobs;
  blobs[image.manifest_digest] = image.manifest;
  for (const auto& [digest, bytes] : blobs)
    TestTar::write_file(directory + "/blobs/sha256/" + digest.substr(digest.find(':') + 1), bytes);
  TestTar::write_file(directory + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  const json::object index{{"schemaVersion", 2},
                           {"manifests", json::array{{{"mediaType", image.manifest_type},
                                                      {"digest", image.manifest_digest},
                                                      {"size", image.manifest.size()},
                                                      {"annotations", {{"org.opencontainers.image.ref.name", tag}}}}}}};
  TestTar::write_file(directory + "/index.json", json::serialize(index));
}

}  // namespace rivera::garden
