#include "models/go/go_url.h"

#include <algorithm>

namespace rivera::models {

namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) { return is_letter(c) || is_digit(c); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }
bool is_one_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

bool escape_at(std::string_view text, std::size_t i) {
  return text.size() - i >= 3 && is_hex(text[i + 1]) && is_hex(text[i + 2]);
}

bool has_valid_escapes(std::string_view text) {
  for (std::size_t i = text.find('%'); i != std::string_view::npos; i = text.find('%', i + 1)) {
    if (!escape_at(text, i)) return false;
  }
  return true;
}

// "" or ":" and digits.
bool is_optional_port(std::string_view text) {
  if (text.empty()) return true;
  return text[0] == ':' && std::all_of(text.begin() + 1, text.end(), is_digit);
}

bool has_valid_host_characters(std::string_view host) {
  for (std::size_t i = 0; i < host.size(); ++i) {
    const char c = host[i];
    if (c == '%') {
      // Only escapes of bytes outside ASCII, and of the percent sign itself, may appear in a host.
      if (!escape_at(host, i)) return false;
      const bool is_low_byte = host[i + 1] >= '0' && host[i + 1] <= '7';
      if (is_low_byte && host.substr(i, 3) != "%25") return false;
      continue;
    }
    if (is_ascii(c) && !is_alphanumeric(c) && !is_one_of(c, "-_.~!$&'()*+,;=:[]<>\"")) return false;
  }
  return true;
}

bool is_valid_host(std::string_view host) {
  if (!host.empty() && host[0] == '[') {
    const auto bracket = host.rfind(']');
    if (bracket == std::string_view::npos || !is_optional_port(host.substr(bracket + 1))) return false;
  } else if (const auto colon = host.rfind(':'); colon != std::string_view::npos) {
    if (!is_optional_port(host.substr(colon))) return false;
  }
  return has_valid_host_characters(host);
}

bool is_valid_user_information(std::string_view text) {
  const auto is_allowed = [](char c) { return is_alphanumeric(c) || is_one_of(c, "-._~:!$&'()*+,;=%@"); };
  return std::all_of(text.begin(), text.end(), is_allowed) && has_valid_escapes(text);
}

bool is_valid_authority(std::string_view authority) {
  const auto at = authority.rfind('@');
  if (at == std::string_view::npos) return is_valid_host(authority);
  return is_valid_host(authority.substr(at + 1)) && is_valid_user_information(authority.substr(0, at));
}

// The length of the scheme before its colon; 0 if there is none; nullopt for a colon at the start.
std::optional<std::size_t> scheme_length(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_letter(c)) continue;
    if (c == ':') {
      if (i == 0) return std::nullopt;
      return i;
    }
    if (i == 0 || !(is_digit(c) || is_one_of(c, "+-."))) return 0;
  }
  return 0;
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// What follows the scheme, without query and fragment, of a URL that is not opaque.
bool is_valid_hierarchy(std::string_view rest, bool has_scheme) {
  if (!rest.starts_with('/') && rest.substr(0, rest.find('/')).find(':') != std::string_view::npos) return false;
  if (rest.starts_with("//") && (has_scheme || !rest.starts_with("///"))) {
    const auto end = std::min(rest.find('/', 2), rest.size());
    if (!is_valid_authority(rest.substr(2, end - 2))) return false;
    rest.remove_prefix(end);
  }
  return has_valid_escapes(rest);
}

}  // namespace

std::optional<SplitUrl> split_go_url(std::string_view text) {
  const auto hash = text.find('#');
  if (hash != std::string_view::npos && !has_valid_escapes(text.substr(hash + 1))) return std::nullopt;
  std::string_view rest = text.substr(0, hash);
  if (std::any_of(rest.begin(), rest.end(), is_control)) return std::nullopt;

  const auto length = scheme_length(rest);
  if (!length) return std::nullopt;
  SplitUrl url;
  if (*length > 0) {
    url.scheme = lower_case(rest.substr(0, *length));
    rest.remove_prefix(*length + 1);
  }
  rest = rest.substr(0, rest.find('?'));
  const bool has_scheme = !url.scheme.empty();
  if (has_scheme && !rest.starts_with('/')) {
    url.opaque = rest;
    return url;
  }
  if (!is_valid_hierarchy(rest, has_scheme)) return std::nullopt;
  return url;
}

}  // namespace rivera::models
