// Images that tests make: tar files with names that usual programs do not write, layers, manifests.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

#include "garden/registry/image_documents.h"

namespace rivera::garden {

// A tar file, entry by entry.
class TestTar {
 public:
  TestTar();
  ~TestTar();
  TestTar(const TestTar&) = delete;
  TestTar& operator=(const TestTar&) = delete;

  TestTar& directory(const std::string& name, mode_t mode = 0755);
  TestTar& file(const std::string& name, const std::string& content, mode_t mode = 0644);
  TestTar& symbolic_link(const std::string& name, const std::string& destination);
  TestTar& hard_link(const std::string& name, const std::string& existing, const std::string& content = "");
  enum class Node { kCharacter, kBlock, kPipe };
  TestTar& node(const std::string& name, Node kind);
  // Of the next entry.
  TestTar& with_attribute(const std::string& key, const std::string& value);
  TestTar& with_owner(uid_t uid, gid_t gid);

  // The file. Nothing can be added afterwards.
  std::string bytes();
  void save(const std::string& path) { write_file(path, bytes()); }
  static void write_file(const std::string& path, const std::string& bytes);

 private:
  struct State;
  TestTar& add(const std::string& name, unsigned type, mode_t mode, const std::string& content,
               const std::string& symbolic, const std::string& hard);
  std::unique_ptr<State> state_;
};

enum class Compression { kNone, kGzip, kZstd };
std::string compress(const std::string& bytes, Compression compression);

struct TestLayer {
  std::string blob;     // as a registry keeps it
  std::string digest;   // of the blob
  std::string diff_id;  // of the tar file
  std::string media_type;
};
TestLayer test_layer(TestTar& tar, Compression compression = Compression::kGzip);

struct TestImage {
  std::string manifest, manifest_type, manifest_digest;
  std::map<std::string, std::string> blobs;  // by digest; the configuration too
};
// Lowest layer first.
TestImage test_image(const std::vector<TestLayer>& layers, const std::vector<std::string>& env = {});
// A manifest over given layers and configuration, right or wrong.
std::string test_manifest(const std::string& config, const std::vector<TestLayer>& layers);
// An index with the image for this machine, and one for another.
TestImage test_index(const TestImage& image);

// Writes an OCI image layout.
void save_layout(const std::string& directory, const TestImage& image, const std::string& tag);

}  // namespace rivera::garden
