// Session affinity by cookies (docs/spec/routing.md §3.10). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/http1/http1.h"

namespace rivera::gorouter {

inline constexpr std::string_view kStickyCookie = "__VCAP_ID__";

struct StickyRules {
  std::vector<std::string> session_cookies;  // cookies that mark a session: "JSESSIONID"
  bool secure = false;                       // the router's cookie is always Secure
  bool for_negotiate = false;                // "Authorization: Negotiate" binds a client to an instance
};

struct StickyRequest {
  std::string instance;  // "": any
  bool must_stick = false;
};

// The instance that a request's cookies ask for.
StickyRequest sticky_request(const net::Http1Fields& request, const StickyRules& rules);

// The value of the router's Set-Cookie for a response from `instance`, "" for none. `context_path` is the route's.
std::string sticky_cookie(const net::Http1Fields& response, const StickyRequest& request, std::string_view instance,
                          std::string_view context_path, const StickyRules& rules);

}  // namespace rivera::gorouter
