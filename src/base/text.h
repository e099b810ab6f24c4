// Small things that many parts do to text.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace rivera::base {

// Without the spaces and tabs at both ends, which header fields and cookies allow around a value.
inline std::string_view trim_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// ASCII letters in lower case.
inline std::string to_lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

}  // namespace rivera::base
