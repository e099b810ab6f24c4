// Session affinity by cookies (docs/spec/routing.md §3.10). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/http1/http1.h"

namespace rivera::gorouter {

inline constexpr std::string_view kStickyCookie = "__VCAP_ID__";

struct StickyRules {
  std::vector<std::string> session_cookies;  // whose presence makes a session: "JSESSIONID"
  bool secure = false;                       // our cookie is always Secure
  bool for_negotiate = false;                // Authorization: Negotiate ties a client to an instance
};

struct StickyWish {
  std::string instance;  // "": any will do
  bool must_stick = false;
};

// What a request's cookies ask for.
StickyWish sticky_wish(const net::Http1Fields& request, const StickyRules& rules);

// The value of our Set-Cookie for a response from `instance`, "" if there is to be none. `context_path` is the route's.
std::string sticky_cookie(const net::Http1Fields& response, const StickyWish& wish, std::string_view instance,
                          std::string_view context_path, const StickyRules& rules);

}  // namespace rivera::gorouter
