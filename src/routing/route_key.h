// The keys of routes (docs/spec/routing.md §3.5, §3.8).
#pragma once

#include <string>
#include <string_view>

namespace rivera::routing {

// The key of a route: "host/a/b", lower case, without query and without one leading and one trailing slash.
std::string route_key(std::string_view uri);

// The part before the first slash, and the part from that slash on ("" without a slash).
std::string_view host_of(std::string_view key);
std::string_view path_of(std::string_view key);

// The path of a route as registered, in its original case: "/a/B", or "/". The path of sticky cookies.
std::string context_path(std::string_view uri);

}  // namespace rivera::routing
