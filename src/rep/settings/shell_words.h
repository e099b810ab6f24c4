// Splitting a command line into words (docs/spec/cell.md §2.4).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rivera::rep {

// The words of `text` as a POSIX shell separates them: at blanks and line ends; '...' and "..." join, and a backslash
// takes the next character as it is, within "..." too; "#" at the beginning of a word makes the rest of the line a
// comment. Nothing is expanded. Throws std::invalid_argument if a quote is not closed or a backslash comes last.
std::vector<std::string> shell_words(std::string_view text);

}  // namespace rivera::rep
