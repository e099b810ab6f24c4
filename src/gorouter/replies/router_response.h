// Responses that the router itself makes (docs/spec/routing.md §3.14). Pure.
#pragma once

#include <string>
#include <string_view>

#include "gorouter/replies/failure.h"
#include "gorouter/settings/config.h"

namespace rivera::gorouter {

struct RouterResponse {
  int status = 404;
  std::string error;          // X-Cf-RouterError; "" = no such header
  std::string body;           // with its line end; may be empty
  std::string cache_control;  // "" = none
  bool close = false;         // closes the connection

  static RouterResponse empty_host();
  static RouterResponse unknown_route(std::string_view host);
  static RouterResponse unknown_instance(std::string_view app, std::string_view index, std::string_view host);
  static RouterResponse unknown_process(std::string_view process, std::string_view index, std::string_view host);
  static RouterResponse invalid_app_instance();
  static RouterResponse invalid_process_instance();
  static RouterResponse no_endpoints(std::string_view host);
  static RouterResponse connection_limit(std::string_view host);
  static RouterResponse head_too_large();
  static RouterResponse route_services_disabled();
  static RouterResponse internal_fault();
  static RouterResponse backend_failed(const Failure& failure);
  static RouterResponse health(bool healthy);
};

struct ResponseContext {
  bool is_head = false;  // no body follows
  int client_minor = 1;
  bool keep_alive = true;
  std::string_view request_id;  // "" = left out
  std::string_view date;
};

// Appends head and body. A health response has no nosniff header and other caching rules; see `health()`.
void append_router_response(std::string& out, const RouterResponse& response, const ResponseContext& context,
                            const HeaderRewrite& rewrite);

// For requests that cannot be parsed, in Go's words.
std::string malformed_request_response(int status, std::string_view what);

}  // namespace rivera::gorouter
