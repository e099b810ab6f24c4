#include "cluster/settings/terminal.h"

#include <cstdio>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace rivera::cluster {
namespace {

constexpr std::size_t kColumn = 22;
constexpr unsigned char kEscapeByte = 0x1b;
constexpr unsigned char kBell = 0x07;

// ESC ] (title, clipboard), ESC P, ESC X, ESC ^ and ESC _ begin a string.
bool begins_string(unsigned char c) { return c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_'; }

// Bytes of the character of UTF-8 that begins so; 0 if none does.
std::size_t length_of_character(unsigned char first) {
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

// Whether `c` may follow the bytes of a character that has begun (RFC 3629 §4).
bool continues(std::string_view begun, unsigned char c) {
  if (c < 0x80 || c > 0xbf) return false;
  if (begun.size() > 1) return true;
  switch (static_cast<unsigned char>(begun[0])) {
    case 0xe0:
      return c >= 0xa0;
    case 0xed:
      return c <= 0x9f;
    case 0xf0:
      return c >= 0x90;
    case 0xf4:
      return c <= 0x8f;
    default:
      return true;
  }
}

}  // namespace

bool is_terminal() {
  static const bool answer = ::isatty(STDOUT_FILENO) == 1;
  return answer;
}

std::string PlainText::take(std::string_view piece) {
  std::string out;
  for (const char c : piece) take_byte(static_cast<unsigned char>(c), out);
  return out;
}

void PlainText::take_byte(unsigned char c, std::string& out) {
  const State before = std::exchange(state_, State::kText);
  switch (before) {
    case State::kEscape:
      if (c == '[') state_ = State::kSequence;
      if (begins_string(c)) state_ = State::kString;
      if (c >= 0x20 && c <= 0x2f) state_ = State::kEscape;  // "ESC ( B": one more follows
      if (c == '\n') out += '\n';
      return;
    case State::kSequence:
      // A line end never belongs to one: what was cut off must not hide the next line.
      if (c == '\n') {
        out += '\n';
      } else if (c < 0x40 || c > 0x7e) {
        state_ = State::kSequence;
      }
      return;
    case State::kString:
    case State::kStringEscape:
      if (c == '\n') {
        out += '\n';
      } else if (c == kEscapeByte) {
        state_ = State::kStringEscape;
      } else if (c != kBell && !(before == State::kStringEscape && c == '\\')) {
        state_ = State::kString;
      }
      return;
    case State::kText:
      break;
  }
  if (c == kEscapeByte) {
    drop_character(out);
    state_ = State::kEscape;
  } else {
    take_text(c, out);
  }
}

void PlainText::take_text(unsigned char c, std::string& out) {
  if (!character_.empty() && !continues(character_, c)) drop_character(out);
  if (character_.empty() && c < 0x80) {
    if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f)) out += static_cast<char>(c);
    return;
  }
  character_ += static_cast<char>(c);
  const std::size_t length = length_of_character(static_cast<unsigned char>(character_[0]));
  if (length == 0) return drop_character(out);
  if (character_.size() < length) return;
  const bool is_control = character_[0] == '\xc2' && static_cast<unsigned char>(character_[1]) < 0xa0;
  out += is_control ? fmt::format("\\u{:04x}", static_cast<unsigned char>(character_[1])) : character_;
  character_.clear();
}

void PlainText::drop_character(std::string& out) {
  for (const char byte : std::exchange(character_, {}))
    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
}

std::string PlainText::finish() {
  std::string out;
  drop_character(out);
  return out;
}

std::string plain_text(std::string_view text) {
  PlainText plain;
  const std::string out = plain.take(text);
  return out + plain.finish();
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Progress::begin(const std::string& step) {
  step_ = step;
  started_ = std::chrono::steady_clock::now();
  last_.clear();
  if (is_terminal()) print_line("...", false);
}

void Progress::say(const std::string& detail) {
  if (!is_terminal() || detail == last_) return;
  last_ = detail;
  print_line(detail, false);
}

void Progress::done(const std::string& result) {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started_;
  print_line(took.count() < 0.05 ? result : fmt::format("{} ({:.1f} s)", result, took.count()), true);
}

void Progress::failed() {
  if (is_terminal() && !step_.empty()) print_line("failed", true);
}

void Progress::print_line(const std::string& rest, bool final) {
  std::string padded = step_ + " ";
  padded.resize(std::max(padded.size(), kColumn), '.');
  const char* erase = is_terminal() ? "\r\033[K" : "";
  print(fmt::format("{}  {} {}{}", erase, padded, rest, final ? "\n" : ""));
  if (final) step_.clear();
}

}  // namespace rivera::cluster
