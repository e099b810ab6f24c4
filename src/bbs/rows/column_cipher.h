// How the BBS's columns are encrypted: upstream's envelope (docs/spec/bbs.md §6.2).
#pragma once

#include <array>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

struct evp_cipher_ctx_st;

namespace rivera::bbs {

// A stored value that cannot be read: another key, another format, or damage. The text never holds content.
class UndecodableColumn : public std::runtime_error {
 public:
  explicit UndecodableColumn(const std::string& what, std::string label = "")
      : std::runtime_error(what), label_(std::move(label)) {}
  // The label of the key that could still decrypt the value, if that key is not configured or its passphrase may be
  // wrong.
  // "" if no key could.
  const std::string& label() const { return label_; }

 private:
  std::string label_;
};

// AES-256-GCM under labelled keys. Immutable, so it may be used from any thread.
class ColumnCipher {
 public:
  // `passphrases` by label; `active_label` names the one that new values are sealed with.
  // Throws std::invalid_argument if it is not among them, or a label has not 1 to 127 bytes.
  ColumnCipher(std::map<std::string, std::string> passphrases, std::string active_label);

  // The text of a column: "02" and the base64 of label, nonce, ciphertext and tag. A new nonce each time.
  std::string seal(std::string_view plain) const;
  class Sealer;
  // Throws UndecodableColumn.
  std::string open(std::string_view column) const;

  // The label of the key that a column was sealed with; "" if the text is not a sealed column.
  static std::string label_of(std::string_view column);

  const std::string& active_label() const { return active_label_; }
  bool knows(const std::string& label) const { return keys_.contains(label); }

 private:
  const std::string& active_key() const { return keys_.at(active_label_); }

  std::map<std::string, std::string> keys_;  // label to 32 bytes
  std::string active_label_;
};

// seal() for many values at a fraction of the cost: the key schedule and the random bytes are shared.
// Used by one thread; must not outlive the cipher.
class ColumnCipher::Sealer {
 public:
  explicit Sealer(const ColumnCipher& cipher);
  ~Sealer();
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;

  std::string seal(std::string_view plain);

 private:
  static constexpr std::size_t kNonceSize = 12;
  static constexpr std::size_t kNoncesAtOnce = 64;
  const unsigned char* next_nonce();

  const std::string& label_;
  evp_cipher_ctx_st* context_;
  std::array<unsigned char, kNonceSize * kNoncesAtOnce> nonces_{};
  std::size_t nonces_used_ = kNoncesAtOnce;
  std::string sealed_;  // before base64
};

}  // namespace rivera::bbs
