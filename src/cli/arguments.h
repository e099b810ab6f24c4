// A command line as cfdot's parser reads it (docs/spec/access-and-tools.md §4.1).
#pragma once

#include <chrono>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rivera::cli {

enum class FlagType { kText, kInteger, kInteger32, kDuration, kBoolean };

struct Flag {
  std::string name;    // "--name"
  char shorthand = 0;  // "-n"; 0: none
  FlagType type = FlagType::kText;
  std::string usage;
};

// The command line is wrong. `status` is the exit status; the usage is printed too.
class UsageError : public std::runtime_error {
 public:
  explicit UsageError(const std::string& message, int exit_status = 3)
      : std::runtime_error(message), status(exit_status) {}
  int status;
};

class Arguments {
 public:
  // Flags may stand anywhere; after "--" everything is positional. Values are checked against their type.
  // Throws UsageError.
  static Arguments parse(const std::vector<std::string>& words, const std::vector<Flag>& flags);

  const std::vector<std::string>& positional() const { return positional_; }
  bool given(std::string_view name) const { return values_.find(name) != values_.end(); }
  // "" if it was not given.
  std::string text(std::string_view name) const;
  // 0 if it was not given.
  long integer(std::string_view name) const;
  // Of a duration: whole seconds, rounded up, so that a part of a second is not 0, which often means no limit. 0 if it
  // was not given.
  std::chrono::seconds seconds(std::string_view name) const;
  bool boolean(std::string_view name) const;
  // The words as typed, for rules about spelling.
  bool has_word(std::string_view word) const;

 private:
  void set(const Flag& flag, const std::string& value);

  std::map<std::string, std::string, std::less<>> values_;
  std::vector<std::string> positional_;
  std::vector<std::string> words_;
};

// The place of the sub-command in `words`: the first that is neither a flag nor taken for the value of one. While the
// command is not known, any "--name" without "=" swallows the next word. words.size() if there is none.
std::size_t find_command(const std::vector<std::string>& words);

// Go's booleans: 1, t, T, TRUE, true, True and the like. Throws std::invalid_argument.
bool parse_go_boolean(std::string_view text);

}  // namespace rivera::cli
