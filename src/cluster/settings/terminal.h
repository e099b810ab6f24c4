// Progress on a terminal, or in a file.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace rivera::cluster {

// One line for each step: "  certificates ......... ready (0.1 s)". On a terminal the line is there while the step
// runs.
class Progress {
 public:
  void begin(const std::string& step);
  // What happens inside the step; terminals only, overwritten by what follows.
  void say(const std::string& detail);
  void done(const std::string& result = "ready");
  void failed();

 private:
  void print_line(const std::string& rest, bool final);

  std::string step_;
  std::chrono::steady_clock::time_point started_;
  std::string last_;
};

// Prints and flushes.
void print(const std::string& text);

// Whether standard output is one.
bool is_terminal();

// Removes escape sequences and control characters from text that comes in pieces, so that what applications wrote
// cannot move the cursor, change the title or answer for the user. Line ends and tabs stay. The second kind of control
// characters (C1), U+0080 to U+009F, becomes visible: a terminal may take one for the begin of a sequence, and what
// follows it is text. So do bytes that are no UTF-8, among which a terminal without UTF-8 finds the same ones.
class PlainText {
 public:
  std::string take(std::string_view piece);
  // What a character that was cut off has left.
  std::string finish();

 private:
  enum class State {
    kText,
    kEscape,        // after ESC
    kSequence,      // in ESC [ …, up to a letter
    kString,        // in ESC ] … and similar ones, up to BEL or the string terminator
    kStringEscape,  // ESC in such a string
  };
  void take_byte(unsigned char c, std::string& out);
  void take_text(unsigned char c, std::string& out);
  void drop_character(std::string& out);

  State state_ = State::kText;
  std::string character_;  // the first bytes of one that has several
};

// The same for a whole text.
std::string plain_text(std::string_view text);

}  // namespace rivera::cluster
