#include "executor/assets/checksum.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/bytes.h"

namespace rivera::executor {
namespace {

ChecksumError checksum_error(std::string_view what, std::string_view expected, std::string_view got) {
  return ChecksumError(fmt::format("Checksum failed: '{}', expected '{}', got '{}'", what, expected, got));
}

std::string unquoted(std::string text) {
  std::erase(text, '"');
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
}

net::DigestAlgorithm algorithm_of(const std::string& name) {
  try {
    return net::parse_digest_algorithm(name);
  } catch (const std::invalid_argument&) {
    throw checksum_error("algorithm invalid", "[md5, sha1, sha256]", name);
  }
}

}  // namespace

ChecksumVerifier::ChecksumVerifier(const ChecksumSpec& spec) : expected_(unquoted(spec.value)), given_(spec.value) {
  if (!spec.wanted()) return;
  const auto algorithm = algorithm_of(spec.algorithm);
  if (expected_.size() != 2 * net::digest_length(algorithm) || !is_hex(expected_)) {
    throw checksum_error("checksum missing or invalid", "a valid checksum", spec.value);
  }
  digest_.emplace(algorithm);
}

void ChecksumVerifier::update(std::string_view bytes) {
  if (digest_) digest_->update(bytes);
}

void ChecksumVerifier::verify() {
  if (!digest_) return;
  const auto actual = base::to_hex(digest_->finish());
  if (actual != expected_) throw checksum_error("checksum mismatch", given_, "\"" + actual + "\"");
}

}  // namespace rivera::executor
