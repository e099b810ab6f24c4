#include "cli/arguments.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/duration.h"

namespace rivera::cli {
namespace {

const Flag* find_long(const std::vector<Flag>& flags, std::string_view name) {
  const auto found = std::find_if(flags.begin(), flags.end(), [&](const Flag& f) { return f.name == name; });
  return found == flags.end() ? nullptr : &*found;
}

const Flag* find_short(const std::vector<Flag>& flags, char letter) {
  const auto found = std::find_if(flags.begin(), flags.end(), [&](const Flag& f) { return f.shorthand == letter; });
  return found == flags.end() ? nullptr : &*found;
}

template <typename Integer>
const char* integer_problem(const std::string& value) {
  Integer number = 0;
  const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (ec == std::errc::result_out_of_range) return "value out of range";
  if (ec != std::errc() || end != value.data() + value.size() || value.empty()) return "invalid syntax";
  return nullptr;
}

// Why `value` is none of that type, in Go's words; "" if it is.
std::string problem_with(FlagType type, const std::string& value) {
  const auto parse_error = [&](const char* function, const char* reason) {
    return fmt::format("strconv.{}: parsing \"{}\": {}", function, value, reason);
  };
  switch (type) {
    case FlagType::kText:
      return "";
    case FlagType::kInteger:
      if (const char* reason = integer_problem<long>(value)) return parse_error("ParseInt", reason);
      return "";
    case FlagType::kInteger32:
      if (const char* reason = integer_problem<std::int32_t>(value)) return parse_error("ParseInt", reason);
      return "";
    case FlagType::kDuration:
      try {
        base::parse_go_duration(value);
        return "";
      } catch (const std::invalid_argument&) {
        return fmt::format("time: invalid duration \"{}\"", value);
      }
    case FlagType::kBoolean:
      try {
        parse_go_boolean(value);
        return "";
      } catch (const std::invalid_argument&) {
        return parse_error("ParseBool", "invalid syntax");
      }
  }
  return "";
}

std::string spelled(const Flag& flag) {
  return flag.shorthand ? fmt::format("-{}, --{}", flag.shorthand, flag.name) : "--" + flag.name;
}

// Walks over the words; one object for one parse.
class Parser {
 public:
  Parser(const std::vector<std::string>& words, const std::vector<Flag>& flags) : words_(words), flags_(flags) {}

  template <typename Set, typename Positional>
  void run(Set set, Positional positional) {
    for (next_ = 0; next_ < words_.size();) {
      const std::string& word = words_[next_++];
      if (word == "--") {
        while (next_ < words_.size()) positional(words_[next_++]);
      } else if (word.starts_with("--")) {
        long_flag(word, set);
      } else if (word.size() > 1 && word[0] == '-') {
        short_flags(word, set);
      } else {
        positional(word);
      }
    }
  }

 private:
  template <typename Set>
  void long_flag(const std::string& word, Set set) {
    const auto equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    const Flag* flag = find_long(flags_, name);
    if (flag == nullptr) throw UsageError("unknown flag: --" + name, 255);
    if (equals != std::string::npos) return set(*flag, word.substr(equals + 1));
    if (flag->type == FlagType::kBoolean) return set(*flag, std::string("true"));
    set(*flag, value_after("flag needs an argument: --" + name));
  }

  // "-d value", "-dvalue", "-d=value", and several booleans in one word.
  template <typename Set>
  void short_flags(const std::string& word, Set set) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      const Flag* flag = find_short(flags_, word[i]);
      if (flag == nullptr) throw UsageError(fmt::format("unknown shorthand flag: '{}' in {}", word[i], word), 255);
      if (i + 1 < word.size() && word[i + 1] == '=') return set(*flag, word.substr(i + 2));
      if (flag->type == FlagType::kBoolean) {
        set(*flag, std::string("true"));
        continue;
      }
      if (i + 1 < word.size()) return set(*flag, word.substr(i + 1));
      return set(*flag, value_after(fmt::format("flag needs an argument: '{}' in {}", word[i], word)));
    }
  }

  const std::string& value_after(const std::string& complaint) {
    if (next_ == words_.size()) throw UsageError(complaint, 255);
    return words_[next_++];
  }

  const std::vector<std::string>& words_;
  const std::vector<Flag>& flags_;
  std::size_t next_ = 0;
};

}  // namespace

Arguments Arguments::parse(const std::vector<std::string>& words, const std::vector<Flag>& flags) {
  Arguments out;
  out.words_ = words;
  Parser(words, flags)
      .run([&](const Flag& flag, const std::string& value) { out.set(flag, value); },
           [&](const std::string& word) { out.positional_.push_back(word); });
  return out;
}

void Arguments::set(const Flag& flag, const std::string& value) {
  const std::string problem = problem_with(flag.type, value);
  if (!problem.empty()) {
    throw UsageError(fmt::format("invalid argument \"{}\" for \"{}\" flag: {}", value, spelled(flag), problem));
  }
  values_[flag.name] = value;
}

std::string Arguments::text(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? "" : found->second;
}

long Arguments::integer(std::string_view name) const {
  const std::string value = text(name);
  long out = 0;
  std::from_chars(value.data(), value.data() + value.size(), out);
  return out;
}

std::chrono::seconds Arguments::seconds(std::string_view name) const {
  return given(name) ? std::chrono::ceil<std::chrono::seconds>(base::parse_go_duration(text(name)))
                     : std::chrono::seconds(0);
}

bool Arguments::boolean(std::string_view name) const { return given(name) && parse_go_boolean(text(name)); }

bool Arguments::has_word(std::string_view word) const {
  return std::find(words_.begin(), words_.end(), word) != words_.end();
}

std::size_t find_command(const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") return words.size();
    if (word == "--help" || word == "-h") continue;
    if (word.size() < 2 || word[0] != '-') return i;
    const bool takes_next = word.find('=') == std::string::npos && (word[1] == '-' || word.size() == 2);
    if (takes_next) ++i;
  }
  return words.size();
}

bool parse_go_boolean(std::string_view text) {
  for (const char* word : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == word) return true;
  }
  for (const char* word : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == word) return false;
  }
  throw std::invalid_argument("not a boolean");
}

}  // namespace rivera::cli
