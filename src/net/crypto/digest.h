// Digests of byte streams.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace rivera::net {

enum class DigestAlgorithm { kMd5, kSha1, kSha256, kSha512 };

// "md5", "sha1", "sha256", "sha512", in any case. Throws std::invalid_argument otherwise.
DigestAlgorithm parse_digest_algorithm(std::string_view name);
// The length of a digest in bytes.
std::size_t digest_length(DigestAlgorithm algorithm);

// Takes bytes piece by piece. Used by one thread at a time.
class Digest {
 public:
  // Throws std::runtime_error if the library refuses the algorithm.
  explicit Digest(DigestAlgorithm algorithm);
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();

  void update(std::string_view bytes);
  // The raw digest; nothing may be added afterwards.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The digest of a whole text in lower-case hexadecimal.
std::string hex_digest(DigestAlgorithm algorithm, std::string_view bytes);

}  // namespace rivera::net
