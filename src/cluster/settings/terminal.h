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
// cannot move the cursor, change the title or answer for the user. Line ends and tabs stay.
class PlainText {
 public:
  std::string take(std::string_view piece);

 private:
  enum class State {
    kText,
    kEscape,        // after ESC
    kSequence,      // in ESC [ …, up to a letter
    kString,        // in ESC ] … and similar ones, up to BEL or the string terminator
    kStringEscape,  // ESC in such a string
    kC2,            // after the first byte of U+0080 to U+00BF, where the C1 controls are
  };
  void take_byte(unsigned char c, std::string& out);

  State state_ = State::kText;
};

// The same for a whole text.
std::string plain_text(std::string_view text);

}  // namespace rivera::cluster
