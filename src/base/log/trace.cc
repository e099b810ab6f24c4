#include "base/log/trace.h"

#include <algorithm>

#include "base/ids.h"

namespace rivera::base {
namespace {

constexpr std::size_t kHalf = 16;

std::string without_hyphens(std::string_view text) {
  std::string result;
  std::copy_if(text.begin(), text.end(), std::back_inserter(result), [](char c) { return c != '-'; });
  return result;
}

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

}  // namespace

std::optional<std::string> trace_id_of(std::string_view header) {
  constexpr std::size_t kLongest = 64;  // a UUID has 36 characters
  if (header.size() > kLongest) return std::nullopt;
  std::string digits = without_hyphens(header);
  if (digits.empty() || digits.size() > 2 * kHalf || !std::all_of(digits.begin(), digits.end(), is_hex)) {
    return std::nullopt;
  }
  for (char& c : digits) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  digits.insert(0, 2 * kHalf - digits.size(), '0');
  const bool upper_is_zero = digits.find_first_not_of('0') >= kHalf;
  return upper_is_zero ? digits.substr(kHalf) : digits;
}

Logger traced_session(const Logger& logger, std::string_view name, std::string_view header) {
  const auto trace_id = trace_id_of(header);
  if (!trace_id) return logger.session(name);
  const std::string span_id = without_hyphens(base::new_guid()).substr(0, kHalf);
  return logger.session(name, {{"trace-id", *trace_id}, {"span-id", span_id}});
}

}  // namespace rivera::base
