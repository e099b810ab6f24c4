// Checksums of downloads (docs/spec/cell.md §4.3).
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "net/crypto/digest.h"

namespace rivera::executor {

// The message is upstream's. Downloads that fail with it are not retried.
class ChecksumError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct ChecksumSpec {
  std::string algorithm;  // "md5", "sha1", "sha256" or "sha512", in any case
  std::string value;      // hexadecimal; double quotes around it are ignored
  bool wanted() const { return !algorithm.empty() || !value.empty(); }
};

// Computes the digest of the bytes it is given and compares it with the expected one. Without a wanted checksum it does
// nothing.
class ChecksumVerifier {
 public:
  // Throws ChecksumError if the algorithm is unknown or the value cannot be one of its digests.
  explicit ChecksumVerifier(const ChecksumSpec& spec);

  void update(std::string_view bytes);
  // Throws ChecksumError if the digest differs.
  void verify();

 private:
  std::optional<net::Digest> digest_;
  std::string expected_;  // lower case
  std::string given_;
};

}  // namespace rivera::executor
