#include "gorouter/proxy/sticky.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/text.h"

namespace rivera::gorouter {
namespace {

// The value of a request's cookie; nullopt if it is absent.
std::optional<std::string_view> cookie(const net::Http1Fields& request, std::string_view name) {
  for (const auto& field : request) {
    if (!net::http1_same_name(field.name, "Cookie")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const auto end = rest.find(';');
      const std::string_view pair = base::trim_blanks(rest.substr(0, end));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      const auto equals = pair.find('=');
      if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
      std::string_view value = pair.substr(equals + 1);
      if (value.size() > 1 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
      return value;
    }
  }
  return std::nullopt;
}

bool begins_with_negotiate(std::string_view value) {
  return value.size() >= 9 && net::http1_same_name(value.substr(0, 9), "Negotiate");
}

// The attributes that the router's cookie copies from the application's session cookie.
struct Attributes {
  bool secure = false;
  bool partitioned = false;
  std::string_view same_site;
  std::string_view expires;
  bool expired = false;  // Max-Age is not above zero: the session has ended
};

Attributes attributes_of(std::string_view set_cookie) {
  Attributes out;
  auto rest =
      set_cookie.find(';') == std::string_view::npos ? std::string_view() : set_cookie.substr(set_cookie.find(';') + 1);
  while (!rest.empty()) {
    const auto end = rest.find(';');
    const std::string_view attribute = base::trim_blanks(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    const auto equals = attribute.find('=');
    const std::string_view name = attribute.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : attribute.substr(equals + 1);
    if (net::http1_same_name(name, "Secure")) out.secure = true;
    if (net::http1_same_name(name, "Partitioned")) out.partitioned = true;
    if (net::http1_same_name(name, "SameSite")) out.same_site = value;
    if (net::http1_same_name(name, "Expires")) out.expires = value;
    // Go reads Max-Age=0 as "delete now", as it does any negative number.
    if (net::http1_same_name(name, "Max-Age")) out.expired = value == "0" || value.starts_with('-');
  }
  return out;
}

// Appends what may stand in a cookie's value, and drops the rest, as Go does.
void append_cookie_text(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c > ' ' && c != 0x7f && c != '"' && c != ';' && c != '\\') out += c;
  }
}

std::string render(std::string_view instance, std::string_view path, const Attributes& a, std::string_view max_age) {
  std::string out(kStickyCookie);
  out += "=";
  append_cookie_text(out, instance);
  out += "; Path=";
  append_cookie_text(out, path);
  if (!a.expires.empty()) out.append("; Expires=").append(a.expires);
  if (!max_age.empty()) out.append("; Max-Age=").append(max_age);
  out += "; HttpOnly";
  if (a.secure) out += "; Secure";
  if (!a.same_site.empty()) out.append("; SameSite=").append(a.same_site);
  if (a.partitioned) out += "; Partitioned";
  return out;
}

}  // namespace

StickyRequest sticky_request(const net::Http1Fields& request, const StickyRules& rules) {
  if (!request.has("Cookie")) return {};
  const auto instance = cookie(request, kStickyCookie);
  if (!instance || instance->empty()) return {};
  if (rules.for_negotiate && begins_with_negotiate(request.get("Authorization"))) return {std::string(*instance), true};
  for (const auto& name : rules.session_cookies) {
    if (cookie(request, name)) return {std::string(*instance), false};
  }
  return {};
}

std::string sticky_cookie(const net::Http1Fields& response, const StickyRequest& request, std::string_view instance,
                          std::string_view context_path, const StickyRules& rules) {
  if (instance.empty()) return {};
  std::string_view session;
  for (const auto& field : response) {
    if (!net::http1_same_name(field.name, "Set-Cookie")) continue;
    const std::string_view name = base::trim_blanks(field.value.substr(0, field.value.find('=')));
    if (name == kStickyCookie) return {};
    const auto& names = rules.session_cookies;
    if (session.empty() && std::find(names.begin(), names.end(), name) != names.end()) session = field.value;
  }
  const bool moved = !request.instance.empty() && request.instance != instance;
  if (!session.empty()) {
    Attributes attributes = attributes_of(session);
    attributes.secure |= rules.secure;
    return render(instance, context_path, attributes, attributes.expired ? "0" : "");
  }
  const bool negotiates = rules.for_negotiate && begins_with_negotiate(response.get("WWW-Authenticate"));
  if (negotiates && request.instance != instance) {
    Attributes attributes;
    attributes.secure = rules.secure;
    attributes.same_site = "Strict";
    return render(instance, context_path, attributes, "60");
  }
  if (!moved) return {};
  Attributes attributes;
  attributes.secure = rules.secure;
  return render(instance, context_path, attributes, "");
}

}  // namespace rivera::gorouter
