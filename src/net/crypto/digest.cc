#include "net/crypto/digest.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>

#include <openssl/evp.h>

#include "base/bytes.h"

namespace rivera::net {
namespace {

const EVP_MD* implementation(DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::kMd5:
      return EVP_md5();
    case DigestAlgorithm::kSha1:
      return EVP_sha1();
    case DigestAlgorithm::kSha256:
      return EVP_sha256();
    case DigestAlgorithm::kSha512:
      return EVP_sha512();
  }
  return nullptr;
}

}  // namespace

struct Digest::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

DigestAlgorithm parse_digest_algorithm(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "md5") return DigestAlgorithm::kMd5;
  if (lower == "sha1") return DigestAlgorithm::kSha1;
  if (lower == "sha256") return DigestAlgorithm::kSha256;
  if (lower == "sha512") return DigestAlgorithm::kSha512;
  throw std::invalid_argument("unknown digest algorithm \"" + std::string(name) + "\"");
}

std::size_t digest_length(DigestAlgorithm algorithm) {
  return static_cast<std::size_t>(EVP_MD_get_size(implementation(algorithm)));
}

Digest::Digest(DigestAlgorithm algorithm) : state_(std::make_unique<State>()) {
  if (!state_->context || EVP_DigestInit_ex(state_->context, implementation(algorithm), nullptr) != 1) {
    throw std::runtime_error("cannot start a digest");
  }
}

Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

void Digest::update(std::string_view bytes) {
  if (EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) != 1) {
    throw std::runtime_error("cannot compute a digest");
  }
}

std::string Digest::finish() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (EVP_DigestFinal_ex(state_->context, bytes, &length) != 1) throw std::runtime_error("cannot finish a digest");
  return {reinterpret_cast<const char*>(bytes), length};
}

std::string hex_digest(DigestAlgorithm algorithm, std::string_view bytes) {
  Digest digest(algorithm);
  digest.update(bytes);
  return base::to_hex(digest.finish());
}

}  // namespace rivera::net
