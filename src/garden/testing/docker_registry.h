// Debian's docker-registry, started for a test.
#pragma once

#include <memory>
#include <string>

#include "base/files.h"
#include "base/process/child_process.h"
#include "garden/testing/test_image.h"

namespace rivera::garden {

// Listens on a free port of 127.0.0.1 and keeps its images in a temporary directory. Everything blocks.
class DockerRegistry {
 public:
  // What a private registry asks for.
  static constexpr const char* kUser = "me";
  static constexpr const char* kPassword = "s3cret";

  // Throws std::runtime_error if it does not start.
  explicit DockerRegistry(bool is_private = false);

  std::string address() const;  // "127.0.0.1:1234"
  // "docker://127.0.0.1:1234/<repository>#<tag>".
  std::string uri(const std::string& repository, const std::string& tag) const;
  // Sends the blobs and the manifest.
  void push(const std::string& repository, const std::string& tag, const TestImage& image) const;

 private:
  std::string authorization_;
  base::TemporaryDirectory directory_{"rivera-registry-"};
  std::uint16_t port_ = 0;
  std::unique_ptr<base::ChildProcess> process_;
};

}  // namespace rivera::garden
