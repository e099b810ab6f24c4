#include "base/duration.h"

#include <array>
#include <cctype>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include <fmt/format.h>

namespace rivera::base {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanos;
};
// Longer names before their prefixes: "ms" before "m".
constexpr std::array kUnits{
    Unit{"ns", 1},         Unit{"us", 1'000},        Unit{"\u00b5s", 1'000},    Unit{"\u03bcs", 1'000},
    Unit{"ms", 1'000'000}, Unit{"s", 1'000'000'000}, Unit{"m", 60'000'000'000}, Unit{"h", 3'600'000'000'000},
};

[[noreturn]] void fail(std::string_view text) {
  throw std::invalid_argument(fmt::format("\"{}\" is not a duration (expected a form like \"1m30s\")", text));
}

std::int64_t unit_of(std::string_view& rest, std::string_view whole) {
  for (const Unit& unit : kUnits) {
    if (rest.starts_with(unit.name)) {
      rest.remove_prefix(unit.name.size());
      return unit.nanos;
    }
  }
  fail(whole);
}

// Digits, an optional fraction and a unit: one term such as "1.5h".
__int128 take_term(std::string_view& rest, std::string_view whole) {
  __int128 number = 0;
  __int128 scale = 1;
  bool in_fraction = false;
  bool any_digit = false;
  while (!rest.empty() && (std::isdigit(static_cast<unsigned char>(rest.front())) || rest.front() == '.')) {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c == '.') {
      if (in_fraction) fail(whole);
      in_fraction = true;
      continue;
    }
    any_digit = true;
    if (in_fraction && scale >= 1'000'000'000'000'000) continue;  // finer than a nanosecond of an hour
    if (number > std::numeric_limits<std::int64_t>::max()) fail(whole);
    number = number * 10 + (c - '0');
    if (in_fraction) scale *= 10;
  }
  if (!any_digit) fail(whole);
  return number * unit_of(rest, whole) / scale;
}

}  // namespace

std::chrono::nanoseconds parse_go_duration(std::string_view text) {
  std::string_view rest = text;
  bool negative = false;
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) {
    negative = rest.front() == '-';
    rest.remove_prefix(1);
  }
  if (rest == "0") return std::chrono::nanoseconds{0};
  if (rest.empty()) fail(text);

  __int128 total = 0;
  while (!rest.empty()) {
    total += take_term(rest, text);
    if (total > std::numeric_limits<std::int64_t>::max()) fail(text);
  }
  const auto nanos = static_cast<std::int64_t>(total);
  return std::chrono::nanoseconds{negative ? -nanos : nanos};
}

std::string format_go_duration(std::chrono::nanoseconds d) {
  if (d.count() == 0) return "0s";
  const bool negative = d.count() < 0;
  const std::uint64_t nanos =
      negative ? 0 - static_cast<std::uint64_t>(d.count()) : static_cast<std::uint64_t>(d.count());
  const std::string_view sign = negative ? "-" : "";
  if (nanos < 1'000) return fmt::format("{}{}ns", sign, nanos);
  if (nanos < 1'000'000) return fmt::format("{}{}\u00b5s", sign, static_cast<double>(nanos) / 1e3);
  if (nanos < 1'000'000'000) return fmt::format("{}{}ms", sign, static_cast<double>(nanos) / 1e6);

  const std::uint64_t hours = nanos / 3'600'000'000'000;
  const std::uint64_t minutes = nanos / 60'000'000'000 % 60;
  const std::uint64_t whole_seconds = nanos / 1'000'000'000 % 60;
  std::string fraction = fmt::format("{:09}", nanos % 1'000'000'000);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  const std::string seconds =
      fraction.empty() ? fmt::format("{}s", whole_seconds) : fmt::format("{}.{}s", whole_seconds, fraction);
  if (hours > 0) return fmt::format("{}{}h{}m{}", sign, hours, minutes, seconds);
  if (minutes > 0) return fmt::format("{}{}m{}", sign, minutes, seconds);
  return fmt::format("{}{}", sign, seconds);
}

}  // namespace rivera::base
