#include "bbs/rows/column_cipher.h"

#include <memory>

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "base/bytes.h"

namespace rivera::bbs {
namespace {

constexpr std::string_view kFormat = "02";
constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = 16;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string key_of(std::string_view passphrase) {
  std::string key(SHA256_DIGEST_LENGTH, '\0');
  SHA256(bytes(passphrase), passphrase.size(), bytes(key));
  return key;
}

void check(bool ok) {
  if (!ok) throw std::runtime_error("encrypting a column failed");
}

}  // namespace

ColumnCipher::ColumnCipher(std::map<std::string, std::string> passphrases, std::string active_label)
    : active_label_(std::move(active_label)) {
  for (const auto& [label, passphrase] : passphrases) {
    if (label.empty() || label.size() > 127)
      throw std::invalid_argument("an encryption key's label has 1 to 127 bytes");
    keys_[label] = key_of(passphrase);
  }
  if (!keys_.contains(active_label_)) throw std::invalid_argument("the active key's label is not among the keys");
}

std::string ColumnCipher::seal(std::string_view plain) const { return Sealer(*this).seal(plain); }

ColumnCipher::Sealer::Sealer(const ColumnCipher& cipher)
    : label_(cipher.active_label_), context_(EVP_CIPHER_CTX_new()) {
  const bool ready = context_ != nullptr &&
                     EVP_EncryptInit_ex(context_, EVP_aes_256_gcm(), nullptr, bytes(cipher.active_key()), nullptr) == 1;
  if (ready) return;
  EVP_CIPHER_CTX_free(context_);
  check(false);
}

ColumnCipher::Sealer::~Sealer() { EVP_CIPHER_CTX_free(context_); }

const unsigned char* ColumnCipher::Sealer::next_nonce() {
  if (nonces_used_ == kNoncesAtOnce) {
    check(RAND_bytes(nonces_.data(), static_cast<int>(nonces_.size())) == 1);
    nonces_used_ = 0;
  }
  return nonces_.data() + kNonceSize * nonces_used_++;
}

std::string ColumnCipher::Sealer::seal(std::string_view plain) {
  const unsigned char* nonce = next_nonce();
  sealed_.assign(1, static_cast<char>(label_.size()));
  sealed_ += label_;
  sealed_.append(reinterpret_cast<const char*>(nonce), kNonceSize);
  const std::size_t start = sealed_.size();
  sealed_.resize(start + plain.size() + kTagSize);
  unsigned char* text = bytes(sealed_) + start;
  int size = 0;
  check(EVP_EncryptInit_ex(context_, nullptr, nullptr, nullptr, nonce) == 1);
  check(EVP_EncryptUpdate(context_, text, &size, bytes(plain), static_cast<int>(plain.size())) == 1);
  check(EVP_EncryptFinal_ex(context_, text + size, &size) == 1);
  check(EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_GCM_GET_TAG, kTagSize, text + plain.size()) == 1);
  std::string column(kFormat);
  base::append_base64(column, sealed_);
  return column;
}

std::string ColumnCipher::label_of(std::string_view column) {
  // As much base64 as holds the longest label with its length.
  constexpr std::size_t kEnough = std::size_t{(1 + 127 + 2) / 3} * 4;
  if (!column.starts_with(kFormat)) return "";
  const std::string_view text = column.substr(kFormat.size(), kEnough);
  try {
    const std::string start = base::from_base64(text.substr(0, text.size() / 4 * 4));
    const std::size_t size = start.empty() ? 0 : static_cast<unsigned char>(start.front());
    return start.size() > size ? start.substr(1, size) : "";
  } catch (const std::invalid_argument&) {
    return "";
  }
}

std::string ColumnCipher::open(std::string_view column) const {
  if (!column.starts_with(kFormat)) throw UndecodableColumn("unknown format of an encrypted column");
  std::string sealed;
  try {
    sealed = base::from_base64(column.substr(kFormat.size()));
  } catch (const std::invalid_argument&) {
    throw UndecodableColumn("an encrypted column is not base64");
  }
  std::string_view rest = sealed;
  const std::size_t label_size = rest.empty() ? 0 : static_cast<unsigned char>(rest.front());
  if (rest.size() < 1 + label_size + kNonceSize + kTagSize) throw UndecodableColumn("an encrypted column is too short");
  const std::string label(rest.substr(1, label_size));
  const auto key = keys_.find(label);
  if (key == keys_.end()) throw UndecodableColumn("a column needs the key '" + label + "', not configured", label);
  const std::string_view nonce = rest.substr(1 + label_size, kNonceSize);
  const std::string_view text =
      rest.substr(1 + label_size + kNonceSize, rest.size() - 1 - label_size - kNonceSize - kTagSize);
  std::string tag(rest.substr(rest.size() - kTagSize));

  std::string plain(text.size() + kTagSize, '\0');  // never empty, so that data() may be written to
  Context context(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool opened =
      context && EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes(key->second), bytes(nonce)) == 1 &&
      EVP_DecryptUpdate(context.get(), bytes(plain), &size, bytes(text), static_cast<int>(text.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context.get(), bytes(plain) + size, &size) == 1;
  if (!opened) throw UndecodableColumn("a column does not open with the key '" + label + "'", label);
  plain.resize(text.size());
  return plain;
}

}  // namespace rivera::bbs
