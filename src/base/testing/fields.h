// What a configuration was read as, as text: for tests that ask whether a key has an effect.
#pragma once

#include <chrono>
#include <concepts>
#include <filesystem>
#include <optional>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

namespace rivera::base::testing {

// The values one after another; two lists differ if one value does. Knows texts, numbers, durations, containers,
// optionals, pairs, and plain structs of up to 16 of those. Of larger structs, name the members.
template <typename... T>
std::string fields(const T&... values);

namespace detail {

constexpr std::size_t kMostMembers = 16;

struct Anything {
  std::size_t ignored;
  template <typename T>
  operator T() const;  // never defined: only asked about
};

template <typename T, std::size_t... I>
constexpr bool has_members(std::index_sequence<I...>) {
  return requires { T{Anything{I}...}; };
}

// The number of members of a struct; 0 if there are more than kMostMembers.
template <typename T, std::size_t N = kMostMembers + 1>
constexpr std::size_t member_count() {
  if constexpr (has_members<T>(std::make_index_sequence<N>())) {
    return N > kMostMembers ? 0 : N;
  } else if constexpr (N > 1) {
    return member_count<T, N - 1>();
  } else {
    return 0;
  }
}

template <typename T>
std::string members_of(const T& value) {
  constexpr std::size_t count = member_count<T>();
  static_assert(count > 0, "fields() knows plain structs of 1 to 16 members");
#define RIVERA_MEMBERS(n, ...)         \
  if constexpr (count == n) {          \
    const auto& [__VA_ARGS__] = value; \
    return fields(__VA_ARGS__);        \
  }
  RIVERA_MEMBERS(1, a)
  RIVERA_MEMBERS(2, a, b)
  RIVERA_MEMBERS(3, a, b, c)
  RIVERA_MEMBERS(4, a, b, c, d)
  RIVERA_MEMBERS(5, a, b, c, d, e)
  RIVERA_MEMBERS(6, a, b, c, d, e, f)
  RIVERA_MEMBERS(7, a, b, c, d, e, f, g)
  RIVERA_MEMBERS(8, a, b, c, d, e, f, g, h)
  RIVERA_MEMBERS(9, a, b, c, d, e, f, g, h, i)
  RIVERA_MEMBERS(10, a, b, c, d, e, f, g, h, i, j)
  RIVERA_MEMBERS(11, a, b, c, d, e, f, g, h, i, j, k)
  RIVERA_MEMBERS(12, a, b, c, d, e, f, g, h, i, j, k, l)
  RIVERA_MEMBERS(13, a, b, c, d, e, f, g, h, i, j, k, l, m)
  RIVERA_MEMBERS(14, a, b, c, d, e, f, g, h, i, j, k, l, m, n)
  RIVERA_MEMBERS(15, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o)
  RIVERA_MEMBERS(16, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
#undef RIVERA_MEMBERS
}

template <typename T>
concept IsOptional = std::same_as<T, std::optional<typename T::value_type>>;

template <typename T>
std::string text_of(const T& value) {
  if constexpr (std::convertible_to<const T&, std::string_view>) {
    return fmt::format("\"{}\"", std::string_view(value));
  } else if constexpr (std::same_as<T, std::filesystem::path>) {
    return fmt::format("\"{}\"", value.string());
  } else if constexpr (std::is_enum_v<T>) {
    return fmt::format("{}", static_cast<long long>(value));
  } else if constexpr (std::is_arithmetic_v<T>) {
    return fmt::format("{}", value);
  } else if constexpr (requires { typename T::period; }) {
    return fmt::format("{}", std::chrono::nanoseconds(value).count());
  } else if constexpr (IsOptional<T>) {
    return value ? fields(*value) : "none";
  } else if constexpr (requires { typename T::first_type; }) {
    return fields(value.first, value.second);
  } else if constexpr (std::ranges::range<const T>) {
    std::string out = "[";
    for (const auto& item : value) out += fields(item) + ",";
    return out + "]";
  } else if constexpr (!std::is_aggregate_v<T>) {
    return "opaque";  // a class: its members are its own
  } else {
    return members_of(value);
  }
}

}  // namespace detail

template <typename... T>
std::string fields(const T&... values) {
  std::string out = "{";
  ((out += detail::text_of(values) + ","), ...);
  return out + "}";
}

}  // namespace rivera::base::testing
