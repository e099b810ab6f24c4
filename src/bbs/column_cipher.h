// How the BBS's columns are encrypted: upstream's envelope (docs/spec/bbs.md §6.2).
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

namespace rivera::bbs {

// A stored value that cannot be read: another key, another format, or damage.
class UndecodableColumn : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// AES-256-GCM under labelled keys. Immutable, so it may be used from any thread.
class ColumnCipher {
 public:
  // `passphrases` by label; `active_label` names the one that new values are sealed with.
  // Throws std::invalid_argument if it is not among them, or a label has not 1 to 127 bytes.
  ColumnCipher(std::map<std::string, std::string> passphrases, std::string active_label);

  // The text of a column: "02" and the base64 of label, nonce, ciphertext and tag. A new nonce each time.
  std::string seal(std::string_view plain) const;
  // Throws UndecodableColumn.
  std::string open(std::string_view column) const;

  const std::string& active_label() const { return active_label_; }
  bool knows(const std::string& label) const { return keys_.contains(label); }

 private:
  std::map<std::string, std::string> keys_;  // label to 32 bytes
  std::string active_label_;
};

}  // namespace rivera::bbs
