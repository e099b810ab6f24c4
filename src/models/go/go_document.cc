#include "models/go/go_document.h"

#include <cstdint>

#include "models/go/go_values.h"

namespace rivera::models::go_json {
namespace {

using Kind = Document::Kind;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, std::uint32_t point) {
  const auto tail = [&out](std::uint32_t bits) { out += static_cast<char>(0x80 | (bits & 0x3f)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0 | (point >> 6));
    tail(point);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xe0 | (point >> 12));
    tail(point >> 6);
    tail(point);
  } else {
    out += static_cast<char>(0xf0 | (point >> 18));
    tail(point >> 12);
    tail(point >> 6);
    tail(point);
  }
}

class Reader {
 public:
  Reader(std::string_view json, int depth) : json_(json), depth_left_(depth) {}

  Document whole() {
    Document document = value();
    skip_space();
    if (at_ != json_.size()) fail("something follows the value");
    return document;
  }

 private:
  [[noreturn]] void fail(const char* why) const {
    throw JsonError("invalid JSON at byte " + std::to_string(at_) + ": " + why);
  }

  char peek() const { return at_ < json_.size() ? json_[at_] : '\0'; }
  bool accept(char c) {
    if (peek() != c || at_ == json_.size()) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (at_ < json_.size() && is_space(json_[at_])) ++at_;
  }

  Document value() {
    skip_space();
    const std::size_t begin = at_;
    Document document;
    switch (peek()) {
      case '{':
        read_object(document);
        break;
      case '[':
        read_list(document);
        break;
      case '"':
        document.kind = Kind::kText;
        document.text = string();
        break;
      case 't':
        read_word(document, "true", Kind::kTrue);
        break;
      case 'f':
        read_word(document, "false", Kind::kFalse);
        break;
      case 'n':
        read_word(document, "null", Kind::kNull);
        break;
      default:
        document.kind = Kind::kNumber;
        read_number();
    }
    document.raw = json_.substr(begin, at_ - begin);
    return document;
  }

  void descend() {
    if (--depth_left_ < 0) fail("it is nested too deep");
    ++at_;  // the bracket
    skip_space();
  }

  void read_object(Document& document) {
    document.kind = Kind::kObject;
    descend();
    for (bool is_first = true; !accept('}'); is_first = false) {
      if (!is_first && !accept(',')) fail("a comma or } is missing");
      skip_space();
      if (peek() != '"') fail("a name is missing");
      document.names.push_back(string());
      skip_space();
      if (!accept(':')) fail("a colon is missing");
      document.elements.push_back(value());
      skip_space();
    }
    ++depth_left_;
  }

  void read_list(Document& document) {
    document.kind = Kind::kList;
    descend();
    for (bool is_first = true; !accept(']'); is_first = false) {
      if (!is_first && !accept(',')) fail("a comma or ] is missing");
      document.elements.push_back(value());
      skip_space();
    }
    ++depth_left_;
  }

  void read_word(Document& document, std::string_view word, Kind kind) {
    if (json_.substr(at_, word.size()) != word) fail("no such word");
    at_ += word.size();
    document.kind = kind;
  }

  void read_digits() {
    if (!is_digit(peek())) fail("a digit is missing");
    while (is_digit(peek())) ++at_;
  }

  void read_number() {
    accept('-');
    if (!accept('0')) read_digits();
    if (accept('.')) read_digits();
    if (accept('e') || accept('E')) {
      if (!accept('+')) accept('-');
      read_digits();
    }
  }

  std::string string() {
    ++at_;  // the quotation mark
    std::string out;
    for (;;) {
      const std::size_t begin = at_;
      while (at_ < json_.size() && json_[at_] != '"' && json_[at_] != '\\') {
        if (static_cast<unsigned char>(json_[at_]) < 0x20) fail("a control character in a text");
        ++at_;
      }
      out += json_.substr(begin, at_ - begin);
      if (at_ == json_.size()) fail("a text does not end");
      if (json_[at_++] == '"') return out;
      read_escape(out);
    }
  }

  void read_escape(std::string& out) {
    constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    const char c = peek();
    if (at_ == json_.size()) fail("a text does not end");
    ++at_;
    if (c == 'u') return append_utf8(out, unicode());
    const std::size_t which = kEscapes.find(c);
    if (which == std::string_view::npos) fail("no such escape");
    out += kMeanings[which];
  }

  std::uint32_t unicode() {
    constexpr std::uint32_t kReplacement = 0xfffd;
    const std::uint32_t first = four_digits();
    const bool is_high = first >= 0xd800 && first < 0xdc00;
    if (first < 0xd800 || first >= 0xe000) return first;
    if (!is_high || json_.substr(at_, 2) != "\\u") return kReplacement;
    const std::size_t before = at_;
    at_ += 2;
    const std::uint32_t second = four_digits();
    if (second >= 0xdc00 && second < 0xe000) return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    at_ = before;  // it stands for itself
    return kReplacement;
  }

  std::uint32_t four_digits() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      const bool is_letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      if (!is_digit(c) && !is_letter) fail("an escape needs four hexadecimal digits");
      value = value * 16 + static_cast<std::uint32_t>(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
  }

  std::string_view json_;
  std::size_t at_ = 0;
  int depth_left_;
};

}  // namespace

Document read_document(std::string_view json, int depth) { return Reader(json, depth).whole(); }

std::string compacted(std::string_view json) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(json.size());
  bool in_text = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text && c == '\\') {
      out += json.substr(i++, 2);
      continue;
    }
    if (c == '"') in_text = !in_text;
    if (!in_text && is_space(c)) continue;
    const bool is_separator = json.substr(i, 3) == "\xe2\x80\xa8" || json.substr(i, 3) == "\xe2\x80\xa9";
    if (is_separator) {
      out += json[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else if (c == '<' || c == '>' || c == '&') {
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace rivera::models::go_json
