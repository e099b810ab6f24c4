// Checksums of downloads (docs/spec/cell.md §4.3).
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "net/crypto/digest.h"

namespace rivera::executor {

// The message is upstream's. Not worth another attempt.
class ChecksumError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct ChecksumSpec {
  std::string algorithm;  // "md5", "sha1", "sha256" or "sha512", in any case
  std::string value;      // hexadecimal; double quotes around it do not count
  bool wanted() const { return !algorithm.empty() || !value.empty(); }
};

// Computes over what it is given and compares. Without a wanted checksum it does nothing.
class ChecksumVerifier {
 public:
  // Throws ChecksumError if the algorithm is unknown or the value is no digest of it.
  explicit ChecksumVerifier(const ChecksumSpec& spec);

  void update(std::string_view bytes);
  // Throws ChecksumError if the digest is another.
  void verify();

 private:
  std::optional<net::Digest> digest_;
  std::string expected_;  // lower case
  std::string given_;
};

}  // namespace rivera::executor
