#include "rep/settings/shell_words.h"

#include <optional>
#include <stdexcept>

namespace rivera::rep {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

class WordReader {
 public:
  explicit WordReader(std::string_view text) : rest_(text) {}

  std::optional<std::string> next() {
    skip_blanks_and_comments();
    if (rest_.empty()) return std::nullopt;
    std::string word;
    while (!rest_.empty() && !is_blank(rest_.front())) take_part(word);
    return word;
  }

 private:
  void skip_blanks_and_comments() {
    while (!rest_.empty()) {
      if (rest_.front() == '#') {
        rest_.remove_prefix(std::min(rest_.size(), rest_.find('\n')));
      } else if (is_blank(rest_.front())) {
        rest_.remove_prefix(1);
      } else {
        return;
      }
    }
  }

  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  char take_escaped() {
    if (rest_.empty()) throw std::invalid_argument("a backslash escapes nothing");
    return take();
  }

  // One character, or all up to the closing quote.
  void take_part(std::string& word) {
    const char first = take();
    if (first == '\\') {
      word += take_escaped();
    } else if (first == '\'' || first == '"') {
      take_quoted(word, first);
    } else {
      word += first;
    }
  }

  void take_quoted(std::string& word, char quote) {
    while (!rest_.empty()) {
      const char c = take();
      if (c == quote) return;
      word += c == '\\' && quote == '"' ? take_escaped() : c;
    }
    throw std::invalid_argument("a quote is not closed");
  }

  std::string_view rest_;
};

}  // namespace

std::vector<std::string> shell_words(std::string_view text) {
  std::vector<std::string> words;
  WordReader reader(text);
  while (auto word = reader.next()) words.push_back(std::move(*word));
  return words;
}

}  // namespace rivera::rep
